"""The private names by which Dockup holds what it deploys: `dockup/{app_id}:r{release}`; and where any name leads to. Pure."""

import re

_OURS = re.compile(r"dockup/(?P<app>app_[0-9a-z]+)")
_HELD = re.compile(r"dockup/(?P<app>app_[0-9a-z]+):r(?P<release>[0-9]{1,9})")

HUB = "docker.io"
"""The registry of names that have none."""
HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"})


def registry_of(name: str) -> tuple[str, str]:
    """The registry's host in its one spelling, and the repository's path there; `name` may have a tag or a digest."""
    head, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
    server, path = (head.lower().removesuffix(":443"), rest) if is_host else (HUB, name)
    if server not in HUB_NAMES:
        return server, path
    return HUB, path if "/" in path else f"library/{path}"


def repository(app_id: str) -> str:
    return f"dockup/{app_id}"


def tag(release: int) -> str:
    return f"r{release}"


def held_as(app_id: str, release: int) -> str:
    """The name of the image of one release."""
    return f"{repository(app_id)}:{tag(release)}"


def owner(name: str) -> str | None:
    """Whose private repository `name` is or lies in; None for everybody else's. The name is as the engine writes it."""
    found = _OURS.match(name)
    return found["app"] if found else None


def held_release(image: str | None, app_id: str) -> int | None:
    """Which release of the app `image` is the private name of."""
    found = _HELD.fullmatch(image or "")
    return int(found["release"]) if found and found["app"] == app_id else None
