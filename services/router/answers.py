"""The proxy's own answers, as lines of its configuration."""

from services.router import pages
from services.router.files import Files

_NO_STORE = "hdr Cache-Control no-store hdr X-Request-Id %[var(txn.id)]"


def answers(page: pages.Page, condition: str, files: Files, header: str = "") -> list[str]:
    """The proxy's own answer under a condition: a page for browsers where there is one, the problem document for all others."""
    headers = _NO_STORE if page.retry_after is None or header else f"{_NO_STORE} hdr Retry-After {page.retry_after}"
    headers = f"{headers} {header}".rstrip()
    name = files.pages / f"{page.status}-{page.code}"
    start = f"http-request return status {page.status} content-type"
    person = f'{start} "text/html; charset=utf-8" lf-file {name}.html {headers} if {condition} {{ req.hdr(accept) -m sub text/html }}'
    program = f"{start} application/problem+json lf-file {name}.json {headers} if {condition}"
    return [person, program] if page in pages.FOR_PEOPLE else [program]


def own_error(page: pages.Page, files: Files) -> str:
    again = "" if page.retry_after is None else f" hdr Retry-After {page.retry_after}"
    name = files.pages / f"{page.status}-{page.code}.json"
    return f"http-error status {page.status} content-type application/problem+json lf-file {name} {_NO_STORE}{again}"
