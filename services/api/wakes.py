"""Wakes who waits in this process for news of an app, a deployment, or the feed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import Self, TypeVar

T = TypeVar("T")
EVERYTHING = "*"
_POLL = 0.25
"""News of another API process has no wake here: who waits looks again after this many seconds."""


class Wakes:
    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def wake(self, keys: Iterable[str]) -> None:
        for key in {*keys, EVERYTHING}:
            for event in self._waiting.get(key, ()):
                event.set()

    def ticket(self, key: str) -> "Ticket":
        return Ticket(self._waiting, key)

    async def until(self, key: str, seconds: float, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return what `look` finds at last; None when it has found nothing in `seconds`."""
        end = monotonic() + seconds
        with self.ticket(key) as ticket:
            while (found := await look()) is None and (left := end - monotonic()) > 0:
                await ticket.wait(left)
        return found


class Ticket:
    """Take it before looking, so that nothing is missed between looking and waiting: `with wakes.ticket(key) as ticket`."""

    def __init__(self, waiting: dict[str, set[asyncio.Event]], key: str) -> None:
        self._waiting = waiting
        self._key = key
        self._event = asyncio.Event()

    def __enter__(self) -> Self:
        self._waiting.setdefault(self._key, set()).add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        others = self._waiting[self._key]
        others.discard(self._event)
        if not others:
            del self._waiting[self._key]

    async def wait(self, seconds: float) -> None:
        """Return at news, or when it is time to look again; after `seconds` at the latest."""
        await self.news(min(seconds, _POLL))

    async def news(self, seconds: float) -> None:
        """Return at news that this process has, or after `seconds`: for what may be late when another one has it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
