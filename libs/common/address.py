"""Addresses that are asked over HTTP, taken apart. Needs nothing that speaks HTTP."""

import re
from urllib.parse import urlsplit

import msgspec

PORTS = {"https": 443, "http": 80}
_TARGET = re.compile(r"[\x21-\x7e]*")
_SHOWN = 200


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and where. `host` as it was written, without brackets; `path` begins with a slash, and may have a query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        return self.scheme + "://" + self.authority + self.path

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def address_of(url: str) -> Address:
    """Read an address that may have a query; a login or a fragment in it is left out. `ValueError` for one that cannot be asked."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if parts.scheme not in PORTS or not parts.hostname or not _TARGET.fullmatch(target):
        raise ValueError(f"{url[:_SHOWN]!r} is no address")
    path = target if target.startswith("/") else f"/{target}"
    return Address(scheme=parts.scheme, host=parts.hostname, port=parts.port or PORTS[parts.scheme], path=path)
