"""Who acts on this engine: one runtime holds the lease, others stand by."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import msgspec
import structlog

from libs.common import ids, subjects
from libs.common.bucket import Bucket, Conflict
from libs.common.bus import Bus, BusAway
from libs.common.streams import LEASE_SECONDS

REFRESH_SECONDS = 3.0
_LOCK_SECONDS = 0.25

logger = structlog.get_logger()


class RuntimeLease(msgspec.Struct, frozen=True, kw_only=True):
    """KV `leases`, key `runtime.{engine_id}`: who acts. The name stays over restarts, so one gets its own lease back at once."""

    instance_id: str
    v: int = 1


class Lease:
    """`hold` calls `gained` when this process may act and `lost` when it may not any more.

    A bus that is away ends nothing: what runs is healed on. Only somebody else's name in the entry does. But who could not renew it in
    its time is not `sure` that nobody else acts, until it is renewed; then `sure_again` is called.
    """

    def __init__(self, bus: Bus, folder: Path, engine_id: str) -> None:
        self._bucket: Bucket[RuntimeLease] = Bucket(bus, subjects.LEASES, RuntimeLease)
        self._folder = folder
        self._key = f"runtime.{engine_id.replace(':', '_')}"
        self._mine = RuntimeLease(instance_id=instance_id(folder))
        self.held = False
        self._changed = asyncio.Condition()
        self._until = 0.0
        self._again = asyncio.Event()
        bus.reconnected.append(self._again.set)

    def sure(self) -> bool:
        """Nobody else acts: the entry has not ended of age since it was renewed."""
        return monotonic() < self._until

    async def hold(self, gained: Callable[[], None], lost: Callable[[], None], sure_again: Callable[[], None]) -> None:
        """Keep the lease, or wait for it, for ever."""
        with await _locked(self._folder / "lock"):
            while True:
                self._again.clear()
                with contextlib.suppress(BusAway):
                    was_sure = self.sure()
                    held = await self._refresh()
                    if held != self.held:
                        logger.info("runtime.lease", held=held)
                        (gained if held else lost)()
                        async with self._changed:
                            self.held = held
                            self._changed.notify_all()
                    elif held and not was_sure:
                        sure_again()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(REFRESH_SECONDS if self.held else REFRESH_SECONDS / 3):
                        await self._again.wait()

    async def until(self, *, held: bool) -> None:
        """Wait until it is held, or until it is not."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.held is held)

    async def _refresh(self) -> bool:
        """Whether it is ours now. An entry that ended of age between the look and the word is no one else's: that takes a second look."""
        return await self._take() or (self.held and await self._take())

    async def _take(self) -> bool:
        try:
            found = await self._bucket.get(self._key)
        except msgspec.DecodeError as error:
            # Not ours to read, so not ours: unless its writer lives it is gone in a few seconds.
            logger.error("runtime.lease_unread", error=str(error))  # noqa: TRY400 - no bug of ours
            return False
        if found is not None and found[0].instance_id != self._mine.instance_id:
            self._until = 0.0
            return False
        asked = monotonic()
        try:
            await self._bucket.swap(self._key, self._mine, found[1] if found else 0)
        except Conflict:
            return False  # somebody was quicker; the next look says who
        self._until = asked + LEASE_SECONDS
        return True


def instance_id(folder: Path) -> str:
    """Return the name of this installation's runtime, made at its first start."""
    path = folder / "instance"
    if path.exists() and (text := path.read_text(encoding="ascii").strip()):
        return text
    made = ids.new("rt")
    path.write_text(made, encoding="ascii")
    return made


async def _locked(path: Path) -> contextlib.AbstractContextManager[object]:
    """Wait until no other process of this installation acts; the lock ends with the process."""
    file = path.open("w")
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_LOCK_SECONDS)
        else:
            os.set_inheritable(file.fileno(), False)  # noqa: FBT003 - its only argument
            return file
