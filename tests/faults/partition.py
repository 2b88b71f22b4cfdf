"""A service that runs and cannot reach the bus: every segment that comes on its connections to a port is dropped in the kernel.

A socket filter on a copy of the service's own socket; the machine's network is not touched, and nobody is told of an end.
"""

import contextlib
import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

_PIDFD_GETFD = 438
_ATTACH_FILTER, _DETACH_FILTER = 26, 27
_ESTABLISHED = "01"
_LOOK_SECONDS = 0.02
_libc = ctypes.CDLL(None, use_errno=True)
_drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_PROGRAM = struct.pack("HL", 1, ctypes.addressof(_drop_all))


def cut_off(pid: int, port: int, seconds: float) -> None:
    """Have nothing from `port` reach the process for so long, on connections that it opens meanwhile either; then let it through."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        _each(pid, port, attach=True)
        time.sleep(_LOOK_SECONDS)
    _each(pid, port, attach=False)


def _each(pid: int, port: int, *, attach: bool) -> None:
    option, value = (_ATTACH_FILTER, _PROGRAM) if attach else (_DETACH_FILTER, struct.pack("i", 0))
    with contextlib.suppress(OSError):  # it ended meanwhile
        for number in _descriptors(pid, _inodes(pid, port)):
            with contextlib.suppress(OSError), _copy(pid, number) as found:  # it closed this one, or there is no filter
                found.setsockopt(socket.SOL_SOCKET, option, value)


def _inodes(pid: int, port: int) -> set[str]:
    """Of connections to `port`."""
    rows = (line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return {row[9] for row in rows if row[3] == _ESTABLISHED and int(row[2].partition(":")[2], 16) == port}


def _descriptors(pid: int, inodes: set[str]) -> list[int]:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(path) in wanted:  # noqa: PTH115 - the link's own text
                found.append(int(path.name))
    return found


@contextlib.contextmanager
def _copy(pid: int, number: int) -> Iterator[socket.socket]:
    handle = os.pidfd_open(pid)
    try:
        copied = _libc.syscall(_PIDFD_GETFD, handle, number, 0)
        if copied < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        with socket.socket(fileno=copied) as found:
            yield found
    finally:
        os.close(handle)
