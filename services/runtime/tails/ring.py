"""The last lines of one app, in order, for readers that are not equally fast. Pure, but for the waiting.

A reader is a place in it: who lags behind costs nothing but lines, which are counted.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

MOST_BYTES = 8 * 1024 * 1024
_KEEPING = 250
"""What a line costs beside its text, in bytes, as Python keeps it."""


class Source(NamedTuple):
    replica: str
    stream: str


class Entry(NamedTuple):
    """One line; `body` is its JSON, without a line end."""

    at: str
    source: Source
    body: bytes


class Batch:
    """Lines that came together, in order, and how many were not read before them."""

    def __init__(self, entries: Sequence[Entry], missed: "Counter[Source] | None" = None) -> None:
        self.entries = entries
        self.missed = missed or Counter()
        self.counts = Counter(entry.source for entry in entries)
        self.body = b"\n".join(entry.body for entry in entries)
        self.size = len(self.body) + _KEEPING * (len(entries) + 1)


class Cursor:
    """One reader's place. `wants` says which sources it asks for; `missed` are the lines of these that it did not get."""

    def __init__(self, ring: "Ring", wants: Callable[[Source], bool]) -> None:
        self.news = asyncio.Event()
        self._ring = ring
        self._wants = wants
        self.begin()

    def begin(self) -> None:
        """Behind all that is there."""
        self.place = self._ring.end
        self.missed = 0

    def pass_over(self, counts: "Counter[Source]") -> None:
        self.missed += sum(count for source, count in counts.items() if self._wants(source))

    async def next(self) -> Batch | None:
        """What comes next; None at the end."""
        while (batch := self._ring.at(self.place)) is None:
            if self._ring.closed:
                return None
            self.news.clear()
            await self.news.wait()
        self.place += 1
        self.pass_over(batch.missed)
        return batch

    def take_missed(self) -> int:
        missed, self.missed = self.missed, 0
        return missed


class Ring:
    """What a reader has not got yet, at most `most` bytes of it."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.closed = False
        self._cursors: set[Cursor] = set()
        self._most = most
        self._first = 0
        self._size = 0
        self._batches: deque[Batch] = deque()

    @property
    def end(self) -> int:
        return self._first + self.held

    @property
    def held(self) -> int:
        """How many batches."""
        return len(self._batches)

    def at(self, place: int) -> Batch | None:
        return self._batches[place - self._first] if place < self.end else None

    def cursor(self, wants: Callable[[Source], bool]) -> Cursor:
        """A reader more; `drop` it at the end."""
        cursor = Cursor(self, wants)
        self._cursors.add(cursor)
        return cursor

    def drop(self, cursor: Cursor) -> None:
        self._cursors.discard(cursor)

    def add(self, batch: Batch) -> None:
        self._let_go()
        self._batches.append(batch)
        self._size += batch.size
        while self._size > self._most and len(self._batches) > 1:
            self._give_way(self._pop())
        self._tell()

    def close(self) -> None:
        """What is there may still be read."""
        self.closed = True
        self._tell()

    def _let_go(self) -> None:
        """What everybody has had."""
        needed = min((cursor.place for cursor in self._cursors), default=self.end)
        while self._first < needed:
            self._pop()

    def _pop(self) -> Batch:
        batch = self._batches.popleft()
        self._size -= batch.size
        self._first += 1
        return batch

    def _give_way(self, batch: Batch) -> None:
        for cursor in self._cursors:
            if cursor.place < self._first:
                cursor.place = self._first
                cursor.pass_over(batch.counts + batch.missed)

    def _tell(self) -> None:
        for cursor in self._cursors:
            cursor.news.set()
