"""What HAProxy's configuration depends on beside the table."""

import msgspec

from services.router.files import Files
from services.router.settings import Settings

API = "api"
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same whatever the table holds: it decides whether a proxy that runs has to be reloaded.

    `binds` are the addresses to listen on, as HAProxy writes them, with `{port}`; `drop_to` is the user that its worker runs as; `waker`
    the name of the abstract socket at which the router's waker listens.
    """

    settings: Settings
    files: Files
    probe_token: str
    waker: str
    maxconn: int
    threads: int
    binds: tuple[str, ...] = ("*:{port}",)
    drop_to: str | None = None


def api_hosts(settings: Settings) -> tuple[str, ...]:
    """The hosts at which the API and the UI answer."""
    return _LOCAL if settings.base_domain == "localhost" else (settings.base_domain,)


def port_in_url(settings: Settings) -> str:
    """What stands behind a host of ours: nothing where the port is the usual one."""
    port, usual = (settings.http_port, 80) if settings.tls == "off" else (settings.https_port, 443)
    return "" if port == usual else f":{port}"
