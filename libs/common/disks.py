"""How full the disks are that Dockup writes to: the state folder's and the engine's."""

import shutil
from pathlib import Path
from typing import Annotated

import msgspec

STATE = "state"
ENGINE = "engine"
_UNIX = "unix://"
Percent = Annotated[float, msgspec.Meta(gt=0, le=100)]


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """One file system. `places`: what lies on it, `state` or `engine`, or both. Bytes; `free_bytes` is what is left for us."""

    places: tuple[str, ...]
    path: str
    used_bytes: int
    free_bytes: int

    @property
    def used_percent(self) -> float:
        """As `df` counts: what only root may still take is neither used nor free."""
        return round(100 * self.used_bytes / max(self.used_bytes + self.free_bytes, 1), 1)


def measure(place: str, path: str) -> Disk | None:
    """Look at the disk that `path` lies on; None where it cannot be reached from here."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Disk(places=(place,), path=path, used_bytes=usage.used, free_bytes=usage.free)


def engine_root(docker_host: str, root: str) -> str:
    """The engine's own folder as a path of this machine; empty where the engine is on another one."""
    return root if docker_host.startswith(_UNIX) else ""


def measure_all(home: str, engine: str) -> tuple[Disk, ...]:
    """The disks of both folders: one entry where they share one. An empty or unreachable folder has none."""
    state = measure(STATE, home)
    other = measure(ENGINE, engine) if engine else None
    if state and other and Path(home).stat().st_dev == Path(engine).stat().st_dev:
        return (msgspec.structs.replace(state, places=(STATE, ENGINE)),)
    return tuple(disk for disk in (state, other) if disk)
