"""A folder for each command that builds, gone when the command is done; what a killed builder left is swept at the start."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = "builds"
_LOCK = "lock"
_TURNS = "turns"


@contextlib.contextmanager
def folder(home: Path, name: str) -> Iterator[Path]:
    """A new folder under `{home}/builds`, mode 0700. It holds what no other process may see, and is locked while its builder lives."""
    (home / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=home / FOLDER))
    with (made / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield made
        finally:
            remove(made)


def sweep(home: Path) -> list[str]:
    """Remove the folders whose builder is gone, and return their names."""
    swept = []
    for path in sorted((home / FOLDER).glob("*.*")):
        if _is_left(path):
            remove(path)
            swept.append(path.name)
    return swept


def _is_left(path: Path) -> bool:
    try:
        with (path / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except OSError:
        # Its builder made the folder, and had not come to the lock.
        return path.is_dir() and not (path / _LOCK).exists()


def remove(path: Path) -> None:
    """Remove a folder, whatever rights what is in it has."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for parent, _folders, _files in os.walk(path):
            with contextlib.suppress(OSError):
                Path(parent).chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)


class Turns:
    """Who may build now: one command an app, on every builder of this state folder, and `most` at a time in this one."""

    def __init__(self, home: Path, most: int) -> None:
        self._folder = home / FOLDER / _TURNS
        self._most = most
        self.taken = 0

    @contextlib.contextmanager
    def turn(self, app_id: str) -> Iterator[bool]:
        """Whether it is the app's turn; it has it until the block is left."""
        if self.taken >= self._most:
            yield False
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / app_id).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            self.taken += 1
            try:
                yield True
            finally:
                self.taken -= 1
