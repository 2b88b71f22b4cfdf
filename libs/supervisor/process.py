"""Processes that are known by more than a number.

A pid file says `pid start-time boot-id`, so that a pid which the kernel gave to somebody else, or one of before a reboot, is never
taken for ours. The process itself holds a lock on the file for as long as it lives: two of one name cannot run.
"""

import contextlib
import fcntl
import os
import select
import signal
from pathlib import Path

import msgspec

BUSY = 75
"""The exit status of a process that finds another of its name running (EX_TEMPFAIL)."""
_START_TIME = 19
"""Place of `starttime` among the fields of /proc/PID/stat that follow the command's name."""


class Process(msgspec.Struct, frozen=True):
    """`started` is in clock ticks since the boot that `boot` names."""

    pid: int
    started: int
    boot: str


def identify(pid: int) -> Process | None:
    """Who runs under `pid` now; None for nobody, and for a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return Process(pid, int(fields[_START_TIME]), _boot_id())


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def claim(path: Path, *, over_exec: bool = False) -> bool:
    """Write this process into its pid file and hold the lock until it ends; False when another holds it.

    `over_exec`: hold it in the program that this process becomes, too. Not otherwise: what a service starts (the proxy, git) must
    not carry the service's lock on.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, over_exec)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    # In place: the lock belongs to this very file.
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, _line(os.getpid()), 0)
    return True


def record(path: Path, pid: int) -> None:
    """Write the pid file of a process that cannot do it itself."""
    path.write_bytes(_line(pid))


def _line(pid: int) -> bytes:
    me = identify(pid)
    return f"{me.pid} {me.started} {me.boot}\n".encode() if me else b""


def parent(pid: int) -> int:
    """The pid of a process's parent; 0 when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def running(path: Path) -> Process | None:
    """The process that a pid file of ours names, if it is alive and still the same."""
    try:
        pid, started, boot = path.read_text(encoding="ascii").split()
        known = Process(int(pid), int(started), boot)
    except (FileNotFoundError, ValueError):
        return None
    return known if identify(known.pid) == known else None


def foreign(path: Path, command: str) -> Process | None:
    """The process that somebody else's pid file names (first line, the bare pid), if it runs `command`."""
    try:
        pid = int(path.read_text(encoding="ascii").split()[0])
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return None
    return identify(pid) if name == command else None


def tell(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process has ended or its pid is another's by now."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if identify(process.pid) == process:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def await_end(process: Process, seconds: float) -> bool:
    """Wait until the process has ended; False when it still runs after `seconds`."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return identify(process.pid) != process or bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def end(process: Process, seconds: float) -> bool:
    """TERM, wait, KILL, wait a little more; False when it would not go."""
    tell(process, signal.SIGTERM)
    if await_end(process, seconds):
        return True
    tell(process, signal.SIGKILL)
    return await_end(process, 5.0)
