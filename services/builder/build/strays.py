"""Steps of builds where the engine has no group for all of them: each is found by its own group's name, and taken into ours.

An engine with the systemd driver tells BuildKit `system.slice:docker:` as the parent of its steps. BuildKit calls runc without systemd,
which takes the name for a path: below the engine's own group in version 1, beside it in version 2.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

STEP = "*.slice:docker:*"
_USUAL = ("", "system.slice", "system.slice/docker.service")
_ENGINE = "dockerd"
_PROCS = "cgroup.procs"


class Strays:
    """`groups` are ours, each at the top of its hierarchy. `look` says anew where the engine is, before a build."""

    def __init__(self, groups: Iterable[Path], proc: Path = Path("/proc")) -> None:
        self._groups = sorted(set(groups))
        self._proc = proc
        self._places: dict[Path, list[Path]] = {}

    def look(self) -> None:
        engines = [_groups_of(path.parent) for path in self._proc.glob("[0-9]*/comm") if _read(path).strip() == _ENGINE]
        for group in self._groups:
            top = group.parent
            found = {top / place for place in _USUAL} | {top / place for names in engines for place in _place(names, top.name)}
            self._places[group] = sorted(path for path in found if path.is_dir())

    def gather(self) -> str:
        """Take them in; why it could not be done, or nothing. What a step begins just now is taken in the next time."""
        trouble = ""
        for group, step in self._steps():
            for number in _numbers(step):
                try:
                    (group / _PROCS).write_text(number, encoding="ascii")
                except ProcessLookupError:
                    continue
                except OSError as error:
                    trouble = f"builds are not limited: {error}"
        return trouble

    def processes(self) -> set[int]:
        """Those that are to be taken in."""
        return {int(number) for _group, step in self._steps() for number in _numbers(step)}

    def _steps(self) -> Iterator[tuple[Path, Path]]:
        for group, places in self._places.items():
            for place in places:
                for step in place.glob(STEP):
                    yield group, step


def _groups_of(process: Path) -> dict[str, str]:
    """Of each controller the group that a process is in; of version 2 by the empty name."""
    lines = [line.split(":", 2) for line in _read(process / "cgroup").splitlines()]
    return {name: path for _number, names, path in lines for name in names.split(",")}


def _place(groups: dict[str, str], top: str) -> Iterator[str]:
    """Where the steps of an engine in those groups are, below the top of a hierarchy."""
    if top in groups:
        yield groups[top].strip("/")
    elif "" in groups:
        yield groups[""].strip("/").rpartition("/")[0]


def _numbers(step: Path) -> list[str]:
    return [number for path in step.rglob(_PROCS) for number in _read(path).split()]


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii")
    return ""
