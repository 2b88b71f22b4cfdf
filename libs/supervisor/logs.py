"""Log files stay bounded: one that grew too large is copied aside and emptied while its writer goes on (it appends)."""

import os
import shutil
from pathlib import Path

LARGEST = 20 * 1024**2
_BLOCK = 64 * 1024


def bound(log: Path, largest: int = LARGEST) -> None:
    """Copy aside and empty a log that is larger; `OSError` where there is no room for the copy: the log is left as it is then."""
    if log.stat().st_size <= largest:
        return
    copy = log.with_suffix(".log.1")
    # The one before makes room for this one.
    copy.unlink(missing_ok=True)
    try:
        with log.open("rb") as source, os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            shutil.copyfileobj(source, target)
    except OSError:
        copy.unlink(missing_ok=True)
        raise
    os.truncate(log, 0)


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
