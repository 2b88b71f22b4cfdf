"""What the API is told by its environment."""

from typing import Annotated, Literal

import msgspec

from libs.common.config import Common, SettingError
from libs.common.disks import Percent

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,187}[A-Za-z0-9])?$"
_FERNET_KEYS = r"^\s*[A-Za-z0-9_-]{43}=\s*(,\s*[A-Za-z0-9_-]{43}=\s*)*$"
_HTTP, _HTTPS = 80, 443


class Settings(Common, frozen=True, kw_only=True):
    """`DOCKUP_…` of the API. Sizes in MB, times in seconds. An empty `database_url` is a SQLite file in `home`.

    `quota_…`: what each project may have that has no quota of its own, cores and MB; None is without a limit.
    An empty `spool` is a folder in `home`; the builder must be told the same. `github_url` is where `owner/repo` lives.
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
    tls: Literal["internal", "off"] = "internal"
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
    disk_high_percent: Percent = 80
    disk_full_percent: Percent = 95
    keep_releases: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5

    def __post_init__(self) -> None:
        if self.disk_high_percent > self.disk_full_percent:
            problem = f"is {self.disk_high_percent:g}, above DOCKUP_DISK_FULL_PERCENT ({self.disk_full_percent:g})"
            raise SettingError("DOCKUP_DISK_HIGH_PERCENT", problem)

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
