"""What was read and encoded once is served from memory until the database changes.

On SQLite `PRAGMA data_version` says in microseconds whether any connection, of this or another process, has committed since. So
nothing is ever stale: a key that was revoked stops at once in every API process. On PostgreSQL nothing is kept.
"""

import sqlite3
from time import time

_MOST = 5_000
"""Answers are kept by who asks and what is asked: a quiet database must not fill the memory."""


class Freshness:
    """`look(key)` before reading, `keep(key, value, mark)` after; `mark` is from `now()` before the read."""

    def __init__(self, sqlite_path: str | None) -> None:
        self._watcher = sqlite3.connect(sqlite_path, isolation_level=None, check_same_thread=False) if sqlite_path else None
        self._version = -1
        self._kept: dict[object, tuple[object, float]] = {}

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def now(self) -> int:
        """A mark of the database's present state; 0 where nothing can be kept."""
        if self._watcher is None:
            return 0
        version: int = self._watcher.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._kept.clear()
            self._version = version
        return version

    def look(self, key: object) -> object | None:
        """What was kept under `key`, if the database has not changed since and its time is not over."""
        if not self.now():
            return None
        value, until = self._kept.get(key, (None, 0.0))
        return value if until > time() else None

    def keep(self, key: object, value: object, mark: int, *, until: float = float("inf")) -> None:
        """Keep `value` while the database is as it was at `mark`, until `until` (Unix time) at the longest."""
        if mark and mark == self.now():
            if len(self._kept) >= _MOST:
                self._kept.clear()
            self._kept[key] = (value, until)
