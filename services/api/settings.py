"""What the API is told by its environment."""

import ipaddress
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from libs.common.config import Common, SettingError
from libs.common.disks import Percent

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,187}[A-Za-z0-9])?$"
_FERNET_KEYS = r"^\s*[A-Za-z0-9_-]{43}=\s*(,\s*[A-Za-z0-9_-]{43}=\s*)*$"
_NAME_SERVER = r"^([0-9.]+(:[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?|[0-9a-fA-F:]+)$"
_ADDRESS = r"^[0-9a-fA-F:.]+$"
_HTTP, _HTTPS, _DNS, _HIGHEST_PORT = 80, 443, 53, 65_535


class Settings(Common, frozen=True, kw_only=True):
    """`DOCKUP_…` of the API. Sizes in MB, times in seconds. An empty `database_url` is a SQLite file in `home`.

    `quota_…`: what each project may have that has no quota of its own, cores and MB; None is without a limit.
    An empty `spool` is a folder in `home`; the builder must be told the same. `github_url` is where `owner/repo` lives.
    `dns_server`: addresses, with `:port` where it is not 53; empty: the system's resolvers. `public_addresses`: those of
    this server, where domains have to lead; empty: those of the base domain. `codex_image`: of coding sessions; empty: there are none.
    """

    secret_key: Annotated[str, msgspec.Meta(pattern=_FERNET_KEYS)]
    nats_setup_url: str
    redis_url: str = ""
    database_url: str = ""
    base_domain: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] = "localhost"
    http_port: Port = _HTTP
    https_port: Port = _HTTPS
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    admin_email: Annotated[str, msgspec.Meta(max_length=254, pattern=EMAIL)] = ""
    admin_password: str = ""
    registration: Literal["open", "closed"] = "closed"
    sync_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 30.0
    tls: Literal["internal", "acme", "off"] = "internal"
    upload_max_mb: Annotated[int, msgspec.Meta(ge=1)] = 8192
    spool: str = ""
    github_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[A-Za-z0-9\[]([A-Za-z0-9.:\]-]{0,253}[A-Za-z0-9\]])?/?$")] = (
        "https://github.com"
    )
    github_client_id: str = ""
    github_client_secret: str = ""
    github_webhook_secret: str = ""
    egress_allow: tuple[str, ...] = ()
    quota_apps: Annotated[int, msgspec.Meta(ge=0)] | None = None
    quota_cpu: Annotated[float, msgspec.Meta(ge=0)] | None = None
    quota_memory: Annotated[int, msgspec.Meta(ge=0)] | None = None
    dns_server: tuple[Annotated[str, msgspec.Meta(pattern=_NAME_SERVER)], ...] = ()
    public_addresses: tuple[Annotated[str, msgspec.Meta(pattern=_ADDRESS)], ...] = ()
    disk_high_percent: Percent = 80
    disk_full_percent: Percent = 95
    exec_idle_seconds: Annotated[float, msgspec.Meta(ge=1)] = 900.0
    exec_max_seconds: Annotated[float, msgspec.Meta(ge=1)] = 14_400.0
    codex_image: str = ""
    keep_releases: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5

    def __post_init__(self) -> None:
        if self.disk_high_percent > self.disk_full_percent:
            problem = f"is {self.disk_high_percent:g}, above DOCKUP_DISK_FULL_PERCENT ({self.disk_full_percent:g})"
            raise SettingError("DOCKUP_DISK_HIGH_PERCENT", problem)
        for text in self.public_addresses:
            _check("DOCKUP_PUBLIC_ADDRESSES", text, ipaddress.ip_address)
        for text in self.dns_server:
            _check("DOCKUP_DNS_SERVER", text, name_server)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.home}/api/dockup.db"

    @property
    def url(self) -> str:
        """Where people reach this server, without a slash at its end."""
        return self._address(self.base_domain)

    def app_url(self, slug: str) -> str:
        return self._address(f"{slug}-app.{self.base_domain}")

    def _address(self, host: str) -> str:
        scheme, port, usual = ("http", self.http_port, _HTTP) if self.tls == "off" else ("https", self.https_port, _HTTPS)
        return f"{scheme}://{host}" if port == usual else f"{scheme}://{host}:{port}"


def name_server(text: str) -> tuple[str, int]:
    """Address and port of `address` or `address:port`, IPv6 in brackets where a port follows."""
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    number = int(port) if colon else _DNS
    if not 0 < number <= _HIGHEST_PORT:
        raise ValueError(f"{number} is no port")
    return str(ipaddress.ip_address(host.strip("[]"))), number


def _check(name: str, text: str, read: Callable[[str], object]) -> None:
    try:
        read(text)
    except ValueError as error:
        raise SettingError(name, f"is no address: {error}") from error
