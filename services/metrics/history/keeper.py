"""The history's database on a thread of its own: nobody waits for it, and nothing that happens to it stops the sync."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import TypeVar

import structlog

from libs.common.messages.metrics import HistoryAnswer, HistoryQuery, ReplicaSample
from libs.common.messages.router import AppTraffic
from services.metrics.history.clocks import Clock
from services.metrics.history.recorder import Recorder, Row, TrafficRow
from services.metrics.history.resolution import choose
from services.metrics.history.store import Store

T = TypeVar("T")
_WAITING = 20
"""Samples of everything that wait for a slow disk; older ones make room."""
_RUINED = ("malformed", "not a database")
"""What SQLite says of a file that will not get better."""
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
"""What gets better by itself; after anything else the file is opened anew: it may be a disk that was mounted read-only for a while."""

logger = structlog.get_logger()


class History:
    """`trouble` says why nothing can be kept now, or is empty."""

    def __init__(self, path: Path, sync_seconds: float) -> None:
        self.trouble = ""
        self._path = path
        self._sync_seconds = sync_seconds
        self._recorder = Recorder(monotonic())
        self._waiting: deque[Callable[[Store], bool]] = deque(maxlen=_WAITING)
        self._due = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "history")
        self._store: Store | None = None
        self._clock = Clock()

    def record(self, samples: tuple[ReplicaSample, ...], passed: Sequence[AppTraffic] | None = None) -> None:
        """Note one sync, with what passed to each app since the last; None: it is not known. Returns at once."""
        at, now = time(), monotonic()
        rows, traffic = self._recorder.rows(samples), self._recorder.traffic(passed, now)
        self._waiting.append(partial(_write, at=at, rows=rows, traffic=traffic, purges=self._clock.is_sound(at, now)))
        self._due.set()

    async def run(self) -> None:
        """Write what is noted, for ever."""
        while True:
            await self._due.wait()
            self._due.clear()
            while self._waiting:
                if await self._do(self._waiting.popleft()):
                    self.trouble = ""

    async def page(self, query: HistoryQuery) -> HistoryAnswer:
        """Points of the last `minutes`; none, and why, while the database does not work."""
        window = choose(query.minutes, self._sync_seconds, time())
        points = await self._do(lambda store: store.page(query.app_id, query.replica, window))
        return HistoryAnswer(interval_seconds=window.interval, points=points or (), trouble="" if points is not None else self.trouble)

    async def _do(self, work: Callable[[Store], T]) -> T | None:
        """Work with the database in its thread; None when it failed, and `trouble` says how."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._try, work)

    def _try(self, work: Callable[[Store], T]) -> T | None:
        try:
            if self._store is not None and not self._store.is_in_place():
                self._close()
            if self._store is None:
                self._store = Store(self._path)
            return work(self._store)
        except (sqlite3.Error, OSError, OverflowError) as error:
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        """A damaged file is set aside, and the next sync begins a new one: measuring what is now is worth more than what was."""
        if not self.trouble:
            logger.warning("history.failed", error=str(error), path=str(self._path))
        self.trouble = f"no history is kept: {error}"
        if not isinstance(error, sqlite3.Error) or getattr(error, "sqlite_errorcode", None) in _PASSING:
            return
        self._close()
        if any(words in str(error) for words in _RUINED):
            self._set_aside()

    def _set_aside(self) -> None:
        try:
            self._path.replace(self._path.with_name(f"{self._path.name}.broken"))
            for ending in ("-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("history.stays_broken", error=str(error))

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def close(self) -> None:
        """After what the thread has begun."""
        self._thread.submit(self._close)
        self._thread.shutdown()


def _write(store: Store, *, at: float, rows: list[Row], traffic: list[TrafficRow], purges: bool) -> bool:
    store.add(at, rows, traffic)
    if purges:
        store.purge(at)
    return True
