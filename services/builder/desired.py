"""Which apps are being deleted and which releases nobody waits for: work for them is given up, and what it made is taken back."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from libs.common import subjects
from libs.common.bucket import Mirror
from libs.common.bus import Bus
from libs.common.states import Intent

T = TypeVar("T")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """All that matters here of an entry of `desired`; the entry that says that the bucket is complete has none of it."""

    intent: Intent | None = None
    dropped: int = 0


class Deleted:
    """What `desired` says of that. `listed` is set when the bucket was read once."""

    def __init__(self, bus: Bus) -> None:
        self._mirror = Mirror(bus, subjects.DESIRED, Wish, on_change=self._changed)
        self._change = asyncio.Event()
        self.listed = self._mirror.listed

    async def run(self) -> None:
        await self._mirror.run()

    def __contains__(self, app_id: str) -> bool:
        entry = self._mirror.entries.get(app_id)
        return entry is not None and entry.intent is Intent.DELETED

    def drops(self, app_id: str, release: int) -> bool:
        """Whether nobody waits for the release's image: it was cancelled or superseded, or its app is being deleted."""
        entry = self._mirror.entries.get(app_id)
        return entry is not None and (entry.intent is Intent.DELETED or entry.dropped >= release)

    async def wait(self, app_id: str, release: int) -> None:
        """Return when nobody waits for the release any more."""
        while not self.drops(app_id, release):
            await self._change.wait()

    async def unless_dropped(self, work: Coroutine[Any, Any, T], app_id: str, release: int) -> T | None:
        """Do the work and return what it gives; None when nobody waits for the release any more. The work has ended by then."""
        working = asyncio.create_task(work)
        giving_up = asyncio.create_task(self.wait(app_id, release))
        try:
            await asyncio.wait({working, giving_up}, return_when=asyncio.FIRST_COMPLETED)
            return await working if working.done() else None
        finally:
            giving_up.cancel()
            working.cancel()
            await asyncio.wait({working})

    def _changed(self, _key: str, _entry: Wish | None) -> None:
        self._change.set()
        self._change = asyncio.Event()
