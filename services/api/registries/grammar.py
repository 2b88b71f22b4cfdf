"""Names of registries: one spelling for each. Pure."""

import re

from libs.common.image_names import HUB, HUB_NAMES
from services.api.http.problems import invalid

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SERVER = re.compile(rf"(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?")
_LONGEST = 253
_PORTS = range(1, 65_536)


def to_server(text: str) -> str:
    """A host with its port, as image names begin with it. An address of a registry's API is taken too: `https://host/v2/`."""
    server = text.strip().lower().removeprefix("https://")
    server = re.sub(r"/(?:v[12]/?)?$", "", server).removesuffix(":443")
    found = _SERVER.fullmatch(server)
    if found is None or len(found["host"]) > _LONGEST or (found["port"] and int(found["port"]) not in _PORTS):
        raise invalid("/server", "takes a registry's host, such as ghcr.io or registry.example.com:5000")
    if not found["port"] and "." not in server and server != "localhost":
        raise invalid("/server", "is no host that an image's name could begin with: it has neither a dot nor a port")
    return HUB if server in HUB_NAMES else server
