"""Ports for servers that other processes start: nobody else takes them between the choice and the start.

They lie below the range of outgoing connections, and a process of the tests holds a block of them for its life: workers and runs side by
side have blocks of their own.
"""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

_FIRST, _BLOCKS, _SIZE = 16_000, 80, 200
_FOLDER = Path(tempfile.gettempdir()) / f"dockup-test-ports-{os.geteuid()}"


def free_port() -> int:
    """A port of this process that nobody listens on. Each call gives another, until the block has been gone through."""
    ports = _ports()
    for _ in range(_SIZE):
        port = ports.pop(0)
        ports.append(port)
        if _is_free(port):
            return port
    raise RuntimeError(f"all ports from {min(ports)} to {max(ports)} are taken")


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


@cache
def _ports() -> list[int]:
    _FOLDER.mkdir(exist_ok=True)
    blocks = list(range(_BLOCKS))
    random.shuffle(blocks)  # users of one machine cannot see each other's locks
    for block in blocks:
        held = os.open(_FOLDER / str(block), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            continue
        return list(range(_FIRST + block * _SIZE, _FIRST + (block + 1) * _SIZE))
    raise RuntimeError(f"{_BLOCKS} test runs hold all ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
