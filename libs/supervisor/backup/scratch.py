"""A folder for what is made or unpacked, in the state folder: nothing of it may lie where others look."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from libs.supervisor.home import Home


@contextlib.contextmanager
def scratch(home: Home, purpose: str) -> Iterator[Path]:
    """A new folder for as long as the block runs; those that a process which was killed left behind go first.

    Whoever works in one holds a lock on it. Making and sweeping them takes turns, so that none is found before it has its lock.
    """
    with contextlib.ExitStack() as stack:
        with _locked(home.root):
            for old in home.root.glob(f".{purpose}-*"):
                with contextlib.suppress(BlockingIOError, FileNotFoundError), _locked(old, fcntl.LOCK_NB):
                    shutil.rmtree(old)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f".{purpose}-", dir=home.root)))
            stack.enter_context(_locked(folder))
        yield folder


@contextlib.contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)
