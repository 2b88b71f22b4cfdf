from typing import Literal

from libs.common.config import Common


class Settings(Common, frozen=True, kw_only=True):
    """What the router is told. `bind` is one address to listen on (empty: all); `api_port` is the API's on loopback."""

    base_domain: str = "localhost"
    http_port: int = 8080
    https_port: int = 8443
    api_port: int = 8000
    bind: str = ""
    tls: Literal["internal", "off"] = "internal"
    router_backends: int = 256

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
