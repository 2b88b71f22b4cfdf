"""What the proxy itself answers: problem documents for programs, a small page for people.

Each is a log-format file of HAProxy: `%[...]` is filled in there, any other per cent sign is doubled.
"""

from typing import NamedTuple

import msgspec

_REQUEST_ID = "%[var(txn.id)]"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#f6f7f9;color:#1c2430}"
    "main{max-width:30rem;padding:2rem}h1{font-size:1.5rem;margin:0 0 .5rem}p{margin:.5rem 0;color:#4a5565}small{color:#7a8494}"
    "@media(prefers-color-scheme:dark){body{background:#12161c;color:#e8ecf1}p{color:#a9b4c2}}"
)


class Page(NamedTuple):
    """One answer of the proxy. `retry_after` is in seconds; None says that asking again does not help."""

    code: str
    status: int
    title: str
    detail: str
    hint: str
    retry_after: int | None = None


UNKNOWN_HOST = Page(
    "unknown_host",
    404,
    "Nothing answers at this address",
    "No app has this host name here.",
    "Check the address; the app's url field is the one that answers.",
)
NOT_FOUND = Page("not_found", 404, "Not found", "There is nothing at this path.", "The routes are in /api/v1/openapi.json.")
APP_NOT_RUNNING = Page(
    "app_not_running",
    503,
    "The app is not running",
    "The app exists, but no replica of it takes requests now.",
    "Start or deploy the app; its status_reason says why it does not run.",
    5,
)
APP_PAUSED = Page(
    "app_paused",
    503,
    "The app is paused",
    "The app's containers stand still: open connections go on once it is unpaused, new requests are not taken.",
    "Unpause the app: POST /api/v1/apps/{app}/unpause.",
    5,
)
APP_WAKING = Page(
    "app_waking",
    503,
    "The app is waking up",
    "The app slept; it is being started, and that takes longer than a request is held.",
    "Try again in a few seconds; if it stays so, status_reason and the app's logs say why it does not start.",
    5,
)
APP_IN_MAINTENANCE = Page(
    "app_in_maintenance",
    503,
    "The app is being worked on",
    "Its owner has taken it out of service for a while.",
    "Try again later; Retry-After says when.",
    300,
)
APP_NEEDS_PASSWORD = Page(
    "app_needs_password",
    401,
    "The app asks for a password",
    "Only who has a name and a password for it may pass.",
    "Send them by HTTP's basic authentication; the app's owner gives them out.",
)
APP_UNREACHABLE = Page(
    "app_unreachable",
    503,
    "The app did not take the connection",
    "The app's replicas are listed, but none accepted a connection.",
    "Try again; if it stays so, read the app's logs.",
    2,
)
APP_BROKEN_ANSWER = Page(
    "app_broken_answer",
    502,
    "The app's answer was not usable",
    "The app closed the connection or sent something that is not HTTP.",
    "Read the app's logs around this moment.",
)
APP_TIMEOUT = Page("app_timeout", 504, "The app did not answer in time", "The app took longer than 660 seconds.", "Read the app's logs.")
API_UNAVAILABLE = Page(
    "api_unavailable",
    503,
    "The API is not available",
    "The API does not answer at the moment; apps are not affected.",
    "Try again in a few seconds; the server's operator finds more with dockup status.",
    2,
)
API_BROKEN_ANSWER = API_UNAVAILABLE._replace(status=502, detail="The API closed the connection before its answer was complete.")
API_TIMEOUT = API_UNAVAILABLE._replace(status=504, detail="The API took longer than 660 seconds.")
BAD_REQUEST = Page("bad_request", 400, "The request is not valid HTTP", "The proxy could not read it.", "Send a well-formed request.")
REQUEST_TIMEOUT = Page("request_timeout", 408, "The request came too slowly", "Its headers took over 30 seconds.", "Send it again.")

FOR_APPS = (BAD_REQUEST, REQUEST_TIMEOUT, APP_UNREACHABLE, APP_BROKEN_ANSWER, APP_TIMEOUT)
FOR_API = (BAD_REQUEST, REQUEST_TIMEOUT, API_UNAVAILABLE, API_BROKEN_ANSWER, API_TIMEOUT)
FOR_PEOPLE = (UNKNOWN_HOST, APP_NOT_RUNNING, APP_PAUSED, APP_WAKING, APP_IN_MAINTENANCE, APP_NEEDS_PASSWORD)
EVERY = (NOT_FOUND, *FOR_PEOPLE, *FOR_APPS, *FOR_API)


def problem(page: Page, url: str) -> str:
    """The RFC 9457 document; `url` is where the API answers."""
    body = {
        "type": f"{url}/api/v1/errors/{page.code}",
        "title": page.title,
        "status": page.status,
        "detail": page.detail,
        "code": page.code,
        "hint": page.hint,
        "retryable": page.retry_after is not None,
        "request_id": "@",
    }
    return _escaped(msgspec.json.encode(body).decode()).replace('"@"', f'"{_REQUEST_ID}"')


def html(page: Page) -> str:
    return _escaped(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{page.title}</title><style>{_STYLE}</style>"
        f"<main><h1>{page.title}</h1><p>{page.detail}</p><p>{page.hint}</p><small>{page.status} {page.code}</small></main></html>"
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def files(url: str) -> dict[str, str]:
    """Every file of the folder `pages`, by name."""
    documents = {f"{page.status}-{page.code}.json": problem(page, url) for page in EVERY}
    return documents | {f"{page.status}-{page.code}.html": html(page) for page in FOR_PEOPLE}
