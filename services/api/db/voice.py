"""Says what transactions had to say, in the order of their commits, and nothing that a power failure could still take back."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from services.api.db import inline
from services.api.db.outbox_row import Entry

_PAUSE = 1.0

logger = structlog.get_logger()


class Voice:
    """`say` is handed the words of one transaction after the other. `path` is SQLite's file; PostgreSQL syncs each commit."""

    def __init__(self, path: str | None) -> None:
        self.say: Callable[[Sequence[Entry]], None] = lambda _entries: None
        self._path = path
        self._number = 0
        self._waiting: deque[tuple[int, Sequence[Entry]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def stored(self, entries: Sequence[Entry]) -> None:
        """A transaction was committed and the disk has it, and so all that were committed before.

        One that says nothing tells nothing of the disk: where it wrote no row either, SQLite had nothing to sync.
        """
        if entries:
            self._say_up_to(self._number)
            self.say(entries)

    def committed(self, entries: Sequence[Entry]) -> None:
        """A transaction was committed; the disk may not have it yet. One that says nothing waits for the next that does."""
        if self._path is None:
            self.stored(entries)
        elif entries:
            self._number += 1
            self._waiting.append((self._number, entries))
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._sync(self._path))

    async def settle(self) -> None:
        """Return when the disk has every row that could be read before the call.

        What does not wait here may be another process's, or of a commit that is not told of yet.
        """
        if self._path is not None:
            await inline.sync(self._path)

    async def close(self) -> None:
        """What still waits stays in its rows."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _sync(self, path: str) -> None:
        while self._waiting:
            number = self._number
            try:
                await inline.sync(path)
            except OSError:
                logger.exception("database.not_synced")
                await asyncio.sleep(_PAUSE)
            else:
                self._say_up_to(number)

    def _say_up_to(self, number: int) -> None:
        while self._waiting and self._waiting[0][0] <= number:
            self.say(self._waiting.popleft()[1])
