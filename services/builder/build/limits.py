"""What all builds together may take of the machine: the engine's BuildKit runs its steps under one cgroup, and here it is limited.

BuildKit inside the engine heeds neither `--memory` nor `--cgroup-parent`, so this is the one place where a step can be held. While no
build of ours runs, the group is as it was: others build on this engine too.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

from libs.common.engine.connect import EngineInfo

ROOT = Path("/sys/fs/cgroup")
_SHARES = 512
"""Half of what a container gets when both want the processor."""
_PERIOD = 100_000
_MEGABYTE = 1024**2
_GROUPS = {"cgroupfs": "docker/buildkit", "systemd": "system.slice/buildkit"}

logger = structlog.get_logger()


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Files of cgroups and what is to stand in them, in the order in which they are written."""

    files: tuple[tuple[str, str], ...]


def wanted(info: EngineInfo, *, memory_mb: int, cpus: float, pids: int, root: Path = ROOT) -> Values:
    """The limits as files. 0 stands for half of the machine's memory, and for all of its cores but one, at least one."""
    group = _GROUPS.get(info.cgroup_driver, _GROUPS["cgroupfs"])
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
        return Values(files=tuple((str(root / group / name), value) for name, value in names))
    files = (
        ("memory", "memory.limit_in_bytes", memory),
        ("memory", "memory.memsw.limit_in_bytes", memory),
        ("cpu", "cpu.cfs_quota_us", quota),
        ("cpu", "cpu.shares", str(_SHARES)),
        ("pids", "pids.max", str(pids)),
    )
    return Values(files=tuple((str(root / controller / group / name), value) for controller, name, value in files))


class Limits:
    """Applied while anybody builds. `trouble` says what could not be limited, empty when all is."""

    def __init__(self, values: Values, keep: Path) -> None:
        self._values = values
        self._keep = keep
        self._building = 0
        self._before: list[tuple[str, str]] = []
        self.trouble = ""

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        self._building += 1
        if self._building == 1:
            self.apply()
        try:
            yield
        finally:
            self._building -= 1
            if not self._building:
                self.restore()

    def processes(self) -> list[int]:
        """Who runs in the group: the steps of every build on this engine."""
        folder = Path(self._values.files[0][0]).parent
        found: list[int] = []
        for path in folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found += map(int, path.read_text(encoding="ascii").split())
        return found

    def apply(self) -> None:
        """Note what stands there, then write; a builder that was killed meanwhile left its note, and that one counts."""
        missing = _make(self._values)
        self._before = self._noted() or [(name, text) for name, _value in self._values.files if (text := _read(name)) is not None]
        self._keep.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep.write_bytes(msgspec.json.encode(self._before))
        self._write(self._values.files)
        self.trouble = missing or self._differences()
        if self.trouble:
            logger.warning("build.not_limited", trouble=self.trouble)

    def restore(self) -> None:
        """Put back what stood there before."""
        self._write(tuple(self._before or self._noted()))
        self._keep.unlink(missing_ok=True)

    def _noted(self) -> list[tuple[str, str]]:
        try:
            return msgspec.json.decode(self._keep.read_bytes(), type=list[tuple[str, str]])
        except (OSError, msgspec.DecodeError):
            return []

    def _write(self, files: tuple[tuple[str, str], ...]) -> None:
        # Memory and memory with swap bound each other: which one has to go first depends on whether they rise or fall.
        for name, value in (*files, *files):
            with contextlib.suppress(OSError):
                Path(name).write_text(value, encoding="ascii")

    def _differences(self) -> str:
        wrong = [Path(name).name for name, value in self._values.files if not _same(_read(name), value)]
        # A kernel without swap accounting, or one controller less, limits the rest all the same.
        wrong = [name for name in wrong if name not in {"memory.memsw.limit_in_bytes", "memory.swap.max"}]
        return f"builds are not limited: {', '.join(wrong)} cannot be set" if wrong else ""


def _make(values: Values) -> str:
    """Make the groups where no build has run yet since the machine's start; say why where that cannot be."""
    for folder in {Path(name).parent for name, _value in values.files}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return f"builds are not limited: {error}"
    return ""


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
