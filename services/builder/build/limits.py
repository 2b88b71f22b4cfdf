"""What all builds together may take of the machine: the engine's BuildKit runs its steps under one cgroup, and here it is limited.

BuildKit inside the engine heeds neither `--memory` nor `--cgroup-parent`, so this is the one place where a step can be held. While no
build of ours runs, the group is as it was: others build on this engine too. Where the engine has no such group, ours takes its place.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

from libs.common.engine.connect import EngineInfo
from services.builder.build.claims import Claims, Files, strictest
from services.builder.build.strays import Strays

ROOT = Path("/sys/fs/cgroup")
_SHARES = 512
"""Half of what a container gets when both want the processor."""
_PERIOD = 100_000
_MEGABYTE = 1024**2
_GROUP, _OURS = "docker/buildkit", "dockup-builds"
_GATHER_SECONDS = 0.05
_CONTROLLERS = ("memory", "cpu", "pids")

logger = structlog.get_logger()


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Files of cgroups and what is to stand in them, in the order in which they are written.

    `is_ours`: the group is none of the engine's, whose steps have to be taken into it. `root` is where version 2 begins; else None.
    """

    files: Files
    is_ours: bool = False
    root: Path | None = None


def wanted(info: EngineInfo, *, memory_mb: int, cpus: float, pids: int, root: Path = ROOT) -> Values:
    """The limits as files. 0 stands for half of the machine's memory, and for all of its cores but one, at least one."""
    is_ours = info.cgroup_driver == "systemd"
    group = _OURS if is_ours else _GROUP
    memory = str((memory_mb or max(512, info.memory_mb // 2)) * _MEGABYTE)
    quota = str(int((cpus or max(1, info.ncpu - 1)) * _PERIOD))
    if info.cgroup_version == "2":
        names = (
            ("memory.max", memory),
            ("memory.swap.max", "0"),
            ("cpu.max", f"{quota} {_PERIOD}"),
            ("cpu.weight", "50"),
            ("pids.max", str(pids)),
        )
        return Values(files=tuple((str(root / group / name), value) for name, value in names), is_ours=is_ours, root=root)
    files = (
        ("memory", "memory.limit_in_bytes", memory),
        ("memory", "memory.memsw.limit_in_bytes", memory),
        ("cpu", "cpu.cfs_quota_us", quota),
        ("cpu", "cpu.shares", str(_SHARES)),
        ("pids", "pids.max", str(pids)),
    )
    return Values(files=tuple((str(root / controller / group / name), value) for controller, name, value in files), is_ours=is_ours)


class Limits:
    """Applied while anybody builds. `trouble` says what could not be limited, empty when all is.

    The group is one for all builders of the machine: while several build, of each limit the strictest holds, and the last to end takes
    them off. `claims` is how they know of each other.
    """

    def __init__(self, values: Values, claims: Claims) -> None:
        self._values = values
        self._claims = claims
        self._building = 0
        self._claim = contextlib.ExitStack()
        self._strays = Strays(Path(name).parent for name, _value in values.files) if values.is_ours else None
        self._gathering: asyncio.Task[None] | None = None
        self.trouble = ""

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        self._building += 1
        try:
            if self._building == 1:
                self._apply()
            yield
        finally:
            self._building -= 1
            if not self._building:
                self._take_off()

    def are_shared(self) -> bool:
        """Whether another builder of the machine builds too."""
        with self._claims.alone():
            return len(self._claims.live()) > 1

    def processes(self) -> list[int]:
        """Who runs in the group: the steps of every build on this engine."""
        folder = Path(self._values.files[0][0]).parent
        found = self._strays.processes() if self._strays else set()
        for path in folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(map(int, path.read_text(encoding="ascii").split()))
        return sorted(found)

    def settle(self) -> None:
        """What a builder that was killed in mid-build had put on is taken off; of those who build now the limits stay."""
        with self._claims.alone():
            self._settle()

    def _apply(self) -> None:
        with self._claims.alone():
            missing = _make(self._values)
            self._claims.note_before((name, text) for name, _value in self._values.files if (text := _read(name)) is not None)
            self._claim = self._claims.claim(self._values.files)
            self.trouble = missing or _differences(self._settle())
        if self.trouble:
            logger.warning("build.not_limited", trouble=self.trouble)
        elif self._strays:
            self._strays.look()
            self._gathering = asyncio.create_task(self._gather(self._strays))

    async def _gather(self, strays: Strays) -> None:
        """As long as anybody builds: the engine does not say when a step begins."""
        while True:
            if (trouble := strays.gather()) and trouble != self.trouble:
                self.trouble = trouble
                logger.warning("build.not_limited", trouble=trouble)
            await asyncio.sleep(_GATHER_SECONDS)

    def _take_off(self) -> None:
        if self._gathering:
            self._gathering.cancel()
            self._gathering = None
        with self._claims.alone():
            self._claim.close()
            self._settle()

    def _settle(self) -> Files:
        """Write what those who build want, or, when nobody does, what stood there before; return it."""
        files = strictest(self._claims.live()) or self._claims.take_before()
        # Memory and memory with swap bound each other: which one has to go first depends on whether they rise or fall.
        for name, value in (*files, *files):
            with contextlib.suppress(OSError):
                Path(name).write_text(value, encoding="ascii")
        return files


def _differences(files: Files) -> str:
    wrong = [Path(name).name for name, value in files if not _same(_read(name), value)]
    # A kernel without swap accounting, or one controller less, limits the rest all the same.
    wrong = [name for name in wrong if name not in {"memory.memsw.limit_in_bytes", "memory.swap.max"}]
    return f"builds are not limited: {', '.join(wrong)} cannot be set" if wrong else ""


def _make(values: Values) -> str:
    """Make the groups where no build has run yet since the machine's start; say why where that cannot be."""
    for folder in {Path(name).parent for name, _value in values.files}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _hand_down(folder, values.root)
        except OSError as error:
            return f"builds are not limited: {error}"
    return ""


def _hand_down(folder: Path, root: Path | None) -> None:
    """In version 2 a group has the controllers that those above it give it."""
    above = [path for path in reversed(folder.parents) if root and path.is_relative_to(root)]
    for path, name in ((path, name) for path in above for name in _CONTROLLERS):
        with contextlib.suppress(OSError):
            (path / "cgroup.subtree_control").write_text(f"+{name}", encoding="ascii")


def _read(name: str) -> str | None:
    try:
        return Path(name).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _same(found: str | None, value: str) -> bool:
    """The kernel rounds bytes down to whole pages."""
    if found is None:
        return False
    if found.isdigit() and value.isdigit():
        return abs(int(found) - int(value)) <= _PERIOD
    return found == value
