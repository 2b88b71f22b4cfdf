"""HAProxy's files, made from the table and the settings alone."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from services.router import pages
from services.router.entries import PAUSED, entry
from services.router.files import Files
from services.router.settings import Settings
from services.router.table import Table

API = "api"
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_NO_STORE = "hdr Cache-Control no-store hdr X-Request-Id %[var(txn.id)]"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same whatever the table holds: it decides whether a proxy that runs has to be reloaded.

    `binds` are the addresses to listen on, as HAProxy writes them, with `{port}`; `drop_to` is the user that its worker runs as.
    """

    settings: Settings
    files: Files
    probe_token: str
    maxconn: int
    threads: int
    binds: tuple[str, ...] = ("*:{port}",)
    drop_to: str | None = None


def backend(slot: int) -> str:
    return f"app{slot:04d}"


def endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def slot_of(name: str) -> int | None:
    """The number in an app's backend's name; None for the API's."""
    return int(name[3:]) if name.startswith("app") else None


def api_hosts(settings: Settings) -> tuple[str, ...]:
    """The hosts at which the API and the UI answer."""
    return _LOCAL if settings.base_domain == "localhost" else (settings.base_domain,)


def config(table: Table, frame: Frame) -> str:
    """The whole configuration; a proxy that starts from it serves the table without another word."""
    apps: list[list[str]] = [[] for _ in range(table.capacity)]
    for app_id, slot in table.slots.items():
        apps[slot] = [f"    server {up.name} {endpoint(up.address, up.port)}" for up in table.upstreams(app_id) if not up.draining_since]
    body = "\n".join("\n".join([f"backend {backend(slot)} from apps", *servers]) for slot, servers in enumerate(apps))
    return f"{_global(frame, table.capacity)}\n{_defaults(frame)}\n{_frontend(frame)}\n{_api(frame)}\n{body}\n"


def host_map(table: Table, settings: Settings) -> str:
    lines = [f"{host} {API}" for host in api_hosts(settings)]
    apps = [(app_id, entry(backend(slot), paused=table.paused(app_id))) for app_id, slot in table.slots.items()]
    lines += [f"{host} {target}" for app_id, target in apps for host in table.hosts(app_id)]
    return "\n".join(lines) + "\n"


def crt_list(hosts: Sequence[str], files: Files) -> str:
    """One line a certificate; the first is shown to a client that names a host that we do not have."""
    return "".join(f"{files.certificate(host)} {host}\n" for host in hosts)


@lru_cache(maxsize=4)
def shape(frame: Frame, capacity: int) -> str:
    """The fingerprint of all that the runtime socket cannot change; a running proxy shows it as its description."""
    text = _settings_text(frame) + str(sorted(pages.files(frame.settings.url).items())) + str(capacity)
    return fingerprint([text])


def fingerprint(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _settings_text(frame: Frame) -> str:
    return "\n".join((_tuning(frame), _defaults(frame), _frontend(frame), _api(frame)))


def _global(frame: Frame, capacity: int) -> str:
    return f"global\n    description {shape(frame, capacity)}\n{_tuning(frame)}"


def _tuning(frame: Frame) -> str:
    lines = [
        f"stats socket {frame.files.admin} mode 600 level admin expose-fd listeners",
        "stats timeout 30s",
        f"maxconn {frame.maxconn}",
        f"nbthread {frame.threads}",
        "tune.bufsize 16384",
        "tune.ssl.cachesize 4096",
        "ssl-default-bind-options ssl-min-ver TLSv1.2",
        # An old worker ends when its last session does; this bounds a WebSocket that never ends.
        "hard-stop-after 24h",
    ]
    if frame.drop_to:
        lines += [f"user {frame.drop_to}", f"group {frame.drop_to}"]
    return _section(lines)


def _defaults(frame: Frame) -> str:
    """Timeouts are above the longest wait that the API grants (600 s). Only a connection that failed is tried again, never a request."""
    lines = [
        "mode http",
        "timeout connect 3s",
        "timeout client 660s",
        "timeout server 660s",
        "timeout tunnel 1h",
        "timeout http-request 30s",
        "timeout http-keep-alive 60s",
        "timeout client-fin 30s",
        "timeout queue 30s",
        "retries 3",
        "option redispatch 1",
        "option idle-close-on-response",
        "option http-keep-alive",
        "http-reuse safe",
        "balance leastconn",
    ]
    lines += [_own_error(page, frame.files) for page in pages.FOR_APPS]
    return f"defaults apps\n{_section(lines)}"


def _frontend(frame: Frame) -> str:
    settings, files = frame.settings, frame.files
    plain = [f"bind {bind.format(port=settings.http_port)}" for bind in frame.binds]
    secret = [f"bind {bind.format(port=settings.https_port)} ssl crt-list {files.crt_list} alpn h2,http/1.1" for bind in frame.binds]
    redirect = f"https://%[var(txn.host)]{'' if settings.https_port == 443 else f':{settings.https_port}'}%[pathq]"  # noqa: PLR2004 - https
    known = "{ var(txn.backend) -m found }"
    lines = [
        *plain,
        *(secret if settings.tls != "off" else []),
        "http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)",
        f"http-request set-var(txn.entry) var(txn.host),map({files.host_map})",
        "http-request set-var(txn.backend) var(txn.entry),field(1,/) if { var(txn.entry) -m found }",
        "http-request set-var-fmt(txn.id) req_%[uuid()]",
        "http-request set-var(txn.id) req.hdr(x-request-id) if { req.hdr(x-request-id) -m reg ^[A-Za-z0-9._-]{1,128}$ }",
        *_answers(pages.UNKNOWN_HOST, f"!{known}", files),
        *([f"http-request redirect location {redirect} code 308 unless {{ ssl_fc }}"] if settings.tls != "off" else []),
        # A worker that a reload replaced counts no server as usable, yet still serves its open connections.
        *_answers(
            pages.APP_PAUSED, f"{{ var(txn.entry),field(2,/) -m str {PAUSED} }} {{ var(txn.backend),nbsrv eq 0 }} !{{ stopping }}", files
        ),
        *_answers(pages.APP_NOT_RUNNING, "{ var(txn.backend),nbsrv eq 0 } !{ stopping }", files),
        *_forwarded(),
        f"http-request set-var(txn.probe) bool(true) if {{ req.hdr(x-dockup-probe) -m str {frame.probe_token} }}",
        "http-request del-header x-dockup-probe",
        "http-response del-header x-dockup-replica",
        f"http-response set-header X-Dockup-Replica %s if {{ var(txn.probe) -m bool }} !{{ var(txn.backend) -m str {API} }}",
        "use_backend %[var(txn.backend)]",
    ]
    return f"frontend web from apps\n{_section(lines)}"


def _forwarded() -> list[str]:
    """A client's own forwarding headers are dropped, in every spelling that an app could take for them."""
    return [
        "http-request del-header ^x[-_]forwarded -m reg",
        "http-request del-header ^x[-_]real[-_]ip$ -m reg",
        "http-request del-header forwarded",
        "http-request set-header X-Forwarded-For %[src]",
        "http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
        "http-request set-header X-Forwarded-Host %[req.hdr(host)]",
        "http-request set-header X-Forwarded-Port %[dst_port]",
    ]


def _api(frame: Frame) -> str:
    lines = [
        *(_own_error(page, frame.files) for page in pages.FOR_API),
        *_answers(pages.NOT_FOUND, "{ path,url_dec -m reg -i ^/+metrics(/|$) }", frame.files),
        f"server {API} 127.0.0.1:{frame.settings.api_port}",
    ]
    return f"backend {API} from apps\n{_section(lines)}"


def _answers(page: pages.Page, condition: str, files: Files) -> list[str]:
    """The proxy's own answer under a condition: a page for browsers where there is one, the problem document for all others."""
    headers = _NO_STORE if page.retry_after is None else f"{_NO_STORE} hdr Retry-After {page.retry_after}"
    name = files.pages / f"{page.status}-{page.code}"
    start = f"http-request return status {page.status} content-type"
    person = f'{start} "text/html; charset=utf-8" lf-file {name}.html {headers} if {condition} {{ req.hdr(accept) -m sub text/html }}'
    program = f"{start} application/problem+json lf-file {name}.json {headers} if {condition}"
    return [person, program] if page in pages.FOR_PEOPLE else [program]


def _own_error(page: pages.Page, files: Files) -> str:
    again = "" if page.retry_after is None else f" hdr Retry-After {page.retry_after}"
    name = files.pages / f"{page.status}-{page.code}.json"
    return f"http-error status {page.status} content-type application/problem+json lf-file {name} {_NO_STORE}{again}"


def _section(lines: Sequence[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)
