"""What may be said of a volume: its name, and where it may stand. A path of the server is never taken. Pure."""

import posixpath
import re
from collections.abc import Iterable

from libs.common.messages.api import Mount
from services.api.http.problems import FieldError, Problem, invalid

LONGEST_PATH = 255
MOST_VOLUMES = 20
"""That an app may have mounted."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?")
_PATH = re.compile(r"/[A-Za-z0-9._@+/-]*")
_WHOLE = frozenset({"/", "/etc", "/home", "/root", "/run", "/tmp", "/usr", "/usr/local", "/var", "/var/lib", "/var/run"})  # noqa: S108 - no file of ours
_SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
)
_FILES = frozenset(f"/etc/{name}" for name in ("group", "hostname", "hosts", "passwd", "resolv.conf", "shadow"))


def check_name(name: str) -> str:
    """Return it; `400 host_path_refused` for what looks like a path, `400 validation_failed` for what is no name."""
    if "/" in name or "\\" in name or name.startswith((".", "~")):
        detail = f"{name!r} is a path; a volume has a name, and its data stands where Dockup keeps it."
        raise Problem("host_path_refused", detail, errors=[FieldError(pointer="/name", detail="is a path")])
    if _NAME.fullmatch(name) is None:
        raise invalid("/name", "takes 1 to 32 of a-z, 0-9, _ and -; neither begins nor ends with - or _")
    return name


def check_path(path: str) -> str:
    """Return where it is to stand in the container; `400 mount_path_refused` for what is no plain place, or belongs to the system."""
    why = _why_not(path)
    if why is not None:
        raise Problem("mount_path_refused", f"mount_path {path!r} {why}.", errors=[FieldError(pointer="/mount_path", detail=why)])
    return path


def _why_not(path: str) -> str | None:
    if not path.startswith("/"):
        return "is not absolute"
    if len(path) > LONGEST_PATH or _PATH.fullmatch(path) is None:
        return f"takes at most {LONGEST_PATH} of A-Z, a-z, 0-9 and ._@+-/"
    if posixpath.normpath(path) != path or path.startswith("//"):
        return "is not in its shortest form: no . or .., no second /, none at the end"
    if path in _WHOLE or path in _FILES or any(path == place or path.startswith(f"{place}/") for place in _SYSTEM):
        return "belongs to the system of the container"
    return None


def check_place(path: str, mounts: Iterable[Mount]) -> None:
    """`409 mount_path_taken` where another volume of the app stands at, above or below that place."""
    for mount in mounts:
        if path == mount.path:
            raise _taken(path, f"the volume {mount.name} stands there")
        if path.startswith(f"{mount.path}/") or mount.path.startswith(f"{path}/"):
            raise _taken(
                path, f"the volume {mount.name} at {mount.path} would stand {'above' if len(mount.path) < len(path) else 'below'} it"
            )


def _taken(path: str, why: str) -> Problem:
    return Problem("mount_path_taken", f"mount_path {path} cannot be used: {why}.", errors=[FieldError(pointer="/mount_path", detail=why)])
