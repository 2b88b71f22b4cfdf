"""Keeps the bus as it has to be: makes what is missing, and fills again from SQL what was lost."""

import asyncio
import contextlib

import nats.errors
import nats.js.errors
import structlog

from libs.common import streams, subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus, BusAway
from libs.common.cancelling import heed
from libs.common.messages.api import Complete
from services.api.apps.desired import everything
from services.api.cursor import Follower
from services.api.db.database import Database
from services.api.deployments.redo import collect_again, redo
from services.api.event_stream import settle
from services.api.purge import purge
from services.api.recovery.notice import notice
from services.api.relay import Relay

_TICK = 30.0
_RETRY = 1.0
_DESIRED_STREAM = f"KV_{subjects.DESIRED}"
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
        self._handled: dict[str, str] = {}
        self.ready = asyncio.Event()
        setup.reconnected.append(self._now.set)

    def look_soon(self) -> None:
        """Look now, not at the next tick."""
        self._now.set()

    async def run(self) -> None:
        """Look at start, after each reconnect, and every 30 s."""
        while True:
            self._now.clear()
            pause = _TICK
            try:
                await self._look()
                await purge(self._db)
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

    async def _look(self) -> None:
        """Make what is missing, and do what follows wherever something is another than it was when all was last done.

        By identity, not by what was made just now: a look may break off half-way, and another API process may have been first.
        """
        await self._db.reload_epoch()
        made = await heed(streams.ensure_all_but_events(self._setup.js))
        if made:
            logger.warning("bus.made", names=made)
        found = {subjects.EVENTS: (await settle(self._db, self._setup.js)).identity}
        for name in (subjects.COMMANDS, _DESIRED_STREAM):
            found[name] = await self._identity(name)
        other = {name for name in found if self._handled.get(name) != found[name]}
        if subjects.EVENTS in other:
            self._relay.events_lost()
            self._follower.restart()
        if not self._handled:
            await notice(self._db, self._bus)
        if not await self._relay.look_at_recovery():
            await self._seed(found[_DESIRED_STREAM])
            if subjects.COMMANDS in other:
                await collect_again(self._db)
        await redo(self._db, self._bus, at_once=bool(other & {subjects.COMMANDS, subjects.EVENTS}))
        self._handled = found

    async def _identity(self, name: str) -> str:
        seen = await heed(streams.look(self._setup.js, name))
        if seen is None:
            raise BusAway(f"{name} went away as soon as it was made")
        return seen.identity

    async def _seed(self, identity: str) -> None:
        """Fill the bucket from SQL unless it says of itself that it is whole."""
        bucket = Bucket(self._bus, subjects.DESIRED, Complete)
        complete = Complete(epoch=self._db.epoch, bucket=identity)
        found = await bucket.get(subjects.COMPLETE_KEY)
        if found is not None and found[0] == complete:
            return
        self._relay.bucket_lost()
        for desired in await everything(self._db):
            await self._relay.write(desired)
        await bucket.put(subjects.COMPLETE_KEY, complete)
        logger.info("desired.seeded")
