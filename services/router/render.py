"""HAProxy's files, made from the table and the settings alone."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from services.router import frontend, pages, placed, timing
from services.router.answers import answers, own_error
from services.router.entries import entry
from services.router.files import Files
from services.router.frame import API, Frame, api_hosts
from services.router.settings import Settings
from services.router.table import Table

_WAKER = Path(__file__).with_name("waker.lua")
_SPARE_SECONDS = 5
_SOCKET_BYTES = 108


def backend(slot: int) -> str:
    return f"app{slot:04d}"


def endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def slot_of(name: str) -> int | None:
    """The number in an app's backend's name; None for the API's."""
    return int(name[3:]) if name.startswith("app") else None


def config(table: Table, frame: Frame) -> str:
    """The whole configuration; a proxy that starts from it serves the table without another word."""
    apps: list[list[str]] = [[] for _ in range(table.capacity)]
    for app_id, slot in table.slots.items():
        apps[slot] = [f"    server {up.name} {endpoint(up.address, up.port)}" for up in table.upstreams(app_id) if not up.draining_since]
    body = "\n".join("\n".join([f"backend {backend(slot)} from apps", *servers]) for slot, servers in enumerate(apps))
    return "\n".join((_global(frame, table.capacity), *_sections(frame, table.capacity), body)) + "\n"


def host_map(table: Table, settings: Settings) -> str:
    lines = [f"{host} {API}" for host in api_hosts(settings)]
    apps = [(app_id, entry(backend(slot), table.state(app_id))) for app_id, slot in table.slots.items()]
    lines += [f"{host} {target}" for app_id, target in apps for host in table.hosts(app_id)]
    return "\n".join(lines) + "\n"


def crt_list(hosts: Sequence[str], files: Files) -> str:
    """One line a certificate; the first is shown to a client that names a host that we do not have."""
    return "".join(f"{files.certificate(host)} {host}\n" for host in hosts)


@lru_cache(maxsize=16)
def shape(frame: Frame, capacity: int) -> str:
    """The fingerprint of all that the runtime socket cannot change; a running proxy shows it as its description."""
    text = _settings_text(frame) + waker(frame) + str(sorted(pages.files(frame.settings.url).items())) + str(capacity)
    return fingerprint([text])


def waker(frame: Frame) -> str:
    """What the proxy runs for a request whose app sleeps. The waker answers within its time; the proxy's own limit is for when it hangs."""
    seconds = frame.settings.router_wake_seconds + _SPARE_SECONDS
    text = _WAKER.read_text(encoding="utf-8")
    return text.replace("@ADDRESS@", f"abns@{frame.waker}").replace("@HELD_SECONDS@", str(seconds))


def abstract(name: str) -> str:
    """The path of the abstract socket of that name, as HAProxy makes it: the whole of `sun_path`, filled with zeros."""
    return "\0" + name.ljust(_SOCKET_BYTES - 1, "\0")


def fingerprint(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _settings_text(frame: Frame) -> str:
    return "\n".join((_tuning(frame), *_sections(frame, 0)))


def _sections(frame: Frame, capacity: int) -> tuple[str, ...]:
    """All that is the same whatever the table holds."""
    web = f"frontend web from apps\n{_section(frontend.rules(frame))}"
    return _defaults(frame), web, _api(frame), timing.table(capacity), placed.section()


def _global(frame: Frame, capacity: int) -> str:
    return f"global\n    description {shape(frame, capacity)}\n{_tuning(frame)}"


def _tuning(frame: Frame) -> str:
    lines = [
        f"stats socket {frame.files.admin} mode 600 level admin expose-fd listeners",
        "stats timeout 30s",
        f"maxconn {frame.maxconn}",
        f"nbthread {frame.threads}",
        # Else another HAProxy could take a port beside this one, and each would get some of the requests.
        "noreuseport",
        f"lua-load-per-thread {frame.files.waker}",
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
    lines += [own_error(page, frame.files) for page in pages.FOR_APPS]
    return f"defaults apps\n{_section(lines)}"


def _api(frame: Frame) -> str:
    lines = [
        *(own_error(page, frame.files) for page in pages.FOR_API),
        *answers(pages.NOT_FOUND, "{ path,url_dec -m reg -i ^/+metrics(/|$) }", frame.files),
        f"server {API} 127.0.0.1:{frame.settings.api_port}",
    ]
    return f"backend {API} from apps\n{_section(lines)}"


def _section(lines: Sequence[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)
