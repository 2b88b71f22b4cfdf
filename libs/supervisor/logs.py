"""Log files stay bounded: one that grew too large is copied aside and emptied while its writer goes on (it appends)."""

import shutil
from pathlib import Path

LARGEST = 20 * 1024**2
_BLOCK = 64 * 1024


def bound(log: Path, largest: int = LARGEST) -> None:
    if log.stat().st_size <= largest:
        return
    shutil.copyfile(log, log.with_suffix(".log.1"))
    log.with_suffix(".log.1").chmod(0o600)
    with log.open("r+b") as file:
        file.truncate(0)


def tail(log: Path, lines: int) -> list[str]:
    """Return the last lines of a log; none when it does not exist."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, 2)
            start = end
            data = b""
            while start > 0 and data.count(b"\n") <= lines:
                start = max(0, start - _BLOCK)
                file.seek(start)
                data = file.read(end - start)
    except FileNotFoundError:
        return []
    return data.decode("utf-8", errors="replace").splitlines()[-lines:]
