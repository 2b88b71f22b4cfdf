"""Keeps the bus as it has to be: makes what is missing, and fills again from SQL what was lost."""

import asyncio
import contextlib

import nats.errors
import nats.js.errors
import structlog
from nats.js import JetStreamContext
from sqlalchemy import func, select

from libs.common import streams, subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus, BusAway
from libs.common.cancelling import heed
from libs.common.messages.api import Complete
from services.api.apps.desired import everything
from services.api.cursor import Follower
from services.api.db.database import Database
from services.api.db.tables import CursorRow
from services.api.deployments.redo import redo
from services.api.events.models import EventRow
from services.api.purge import purge
from services.api.recovery.notice import notice
from services.api.relay import Relay

_TICK = 30.0
_RETRY = 1.0
_FAULTS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError, BusAway)

logger = structlog.get_logger()


class Upkeep:
    """`setup` is a connection of the user that may make streams; `bus` is the API's own."""

    def __init__(self, db: Database, bus: Bus, setup: Bus, relay: Relay, follower: Follower) -> None:
        self._db = db
        self._bus = bus
        self._setup = setup
        self._relay = relay
        self._follower = follower
        self._now = asyncio.Event()
        self.ready = asyncio.Event()
        setup.reconnected.append(self._now.set)

    def look_soon(self) -> None:
        """Look now, not at the next tick."""
        self._now.set()

    async def run(self) -> None:
        """Look at start, after each reconnect, and every 30 s."""
        is_first = True
        while True:
            self._now.clear()
            pause = _TICK
            try:
                made = await self._look(is_first=is_first)
                await redo(self._db, self._bus, at_once=is_first or subjects.COMMANDS in made)
                await purge(self._db)
                is_first = False
                self.ready.set()
            except _FAULTS as error:
                logger.info("upkeep.waiting", error=str(error) or type(error).__name__)
                pause = _RETRY
            except Exception:  # the database may be away; the next tick looks again
                logger.exception("upkeep.failed")
                pause = _RETRY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._now.wait()

    async def _look(self, *, is_first: bool) -> list[str]:
        js = self._setup.js
        await self._db.reload_epoch()
        last_read = await self._last_read()
        made = await heed(streams.ensure(js, first_event=last_read + 1))
        if subjects.EVENTS not in made and await _is_behind(js, last_read):
            # The bus was put back to an older state: its numbers would be taken for events that are read already.
            await heed(js.delete_stream(subjects.EVENTS))
            made += await heed(streams.ensure(js, first_event=last_read + 1))
        if made:
            logger.warning("bus.made", names=made)
        if subjects.EVENTS in made:
            self._relay.events_lost()
            self._follower.restart()
        if is_first:
            await notice(self._db, self._bus)
        if not await self._relay.look_at_recovery():
            await self._seed(is_new=subjects.DESIRED in made)
        return made

    async def _last_read(self) -> int:
        async with self._db.connect() as connection:
            cursor = await connection.execute(select(CursorRow.seq).where(CursorRow.name == subjects.EVENTS))
            newest = await connection.execute(select(func.max(EventRow.seq)))
            return max(cursor.scalar_one(), newest.scalar_one() or 0)

    async def _seed(self, *, is_new: bool) -> None:
        """Fill the bucket from SQL unless it says that it is whole."""
        bucket = Bucket(self._bus, subjects.DESIRED, Complete)
        if is_new:
            self._relay.bucket_lost()
        found = await bucket.get(subjects.COMPLETE_KEY)
        if found is not None and found[0].epoch == self._db.epoch:
            return
        for desired in await everything(self._db):
            await self._relay.write(desired)
        await bucket.put(subjects.COMPLETE_KEY, Complete(epoch=self._db.epoch))
        logger.info("desired.seeded")


async def _is_behind(js: JetStreamContext, last_read: int) -> bool:
    info = await heed(js.stream_info(subjects.EVENTS))
    return int(info.state.last_seq) < last_read
