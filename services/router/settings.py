from typing import Annotated, Literal

import msgspec

from libs.common.config import Common, SettingError


class Settings(Common, frozen=True, kw_only=True):
    """What the router is told. `bind` is one address to listen on (empty: all); `api_port` is the API's on loopback.

    `router_wake_seconds`: how long a request for a sleeping app is held at most. `scale_seconds`: how often what passed through is said.
    `acme_directory` is whom certificates are asked of with `tls` = `acme`, `acme_ca_file` whom to trust for it where the system does not;
    `acme_retry_seconds` the pause after a first failure. `acme_dns_provider` with its `acme_dns_options` is the DNS host of the base
    domain, which gets a wildcard then; `acme_dns_seconds` how long that takes to spread a record. `certificates`: a folder of the
    operator's own.
    """

    base_domain: str = "localhost"
    http_port: int = 8080
    https_port: int = 8443
    api_port: int = 8000
    bind: str = ""
    tls: Literal["internal", "acme", "off"] = "internal"
    acme_directory: Annotated[str, msgspec.Meta(pattern=r"^https://[\x21-\x7e]+$")] = "https://acme-v02.api.letsencrypt.org/directory"
    acme_email: Annotated[str, msgspec.Meta(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] = ""
    acme_ca_file: Annotated[str, msgspec.Meta(pattern=r"^/")] = ""
    acme_retry_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0
    acme_dns_provider: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+$")] = ""
    acme_dns_options: tuple[Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]+=")], ...] = ()
    acme_dns_seconds: Annotated[float, msgspec.Meta(ge=0, le=1800)] = 60.0
    certificates: Annotated[str, msgspec.Meta(pattern=r"^/")] = ""
    secret_key: str = ""
    router_backends: int = 256
    router_wake_seconds: int = 60
    scale_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 5.0

    def __post_init__(self) -> None:
        if self.tls == "acme" and not self.secret_key:
            raise SettingError("DOCKUP_SECRET_KEY", "is not set; with DOCKUP_TLS=acme the keys of certificates are encrypted by it")

    @property
    def ports(self) -> dict[str, int]:
        """The ports that the proxy listens on, by the setting that chooses each."""
        ports = {"DOCKUP_HTTP_PORT": self.http_port}
        return ports if self.tls == "off" else {**ports, "DOCKUP_HTTPS_PORT": self.https_port}

    @property
    def url(self) -> str:
        """Where the API and the UI answer, without a slash at the end."""
        scheme, port, usual = ("http", self.http_port, 80) if self.tls == "off" else ("https", self.https_port, 443)
        return f"{scheme}://{self.base_domain}" + ("" if port == usual else f":{port}")
