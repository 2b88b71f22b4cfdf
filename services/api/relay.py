"""Carries what transactions have to say to the bus, from memory at once, and from the table what was left.

In order for each app; again and again until it is acknowledged. Where something was left, all that follows it waits in its row until
that is said. Several API processes may say the same thing: message ids and the bucket's compare-and-set make that harmless.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, delete, or_, select

from libs.common import subjects
from libs.common.bucket import Bucket, Conflict
from libs.common.bus import Bus, BusAway
from libs.common.messages.api import Desired
from services.api.db.database import Database
from services.api.db.outbox_row import Entry, Kind
from services.api.db.tables import OutboxRow
from services.api.events.models import EventRow
from services.api.recovery.mode import needed

Rebuild = Callable[[str], Awaitable[Desired | None]]

_TICK = 1.0
_BATCH = 500
_TRIES = 5
_NOWHERE = ((0, 0), 0)

_IS_READ = select(EventRow.seq).where(EventRow.event_id == OutboxRow.message_id).exists()

logger = structlog.get_logger()


class Relay:
    """`hand` is called after each commit; `run` carries what was left, once `attach` has given it a bus.

    `rebuild` makes an app's present entry of `desired` from SQL.
    """

    def __init__(self, db: Database, rebuild: Rebuild) -> None:
        self._db = db
        self._rebuild = rebuild
        self._bus: Bus | None = None
        self._bucket: Bucket[Desired] | None = None
        self._lanes: dict[tuple[str, bool], deque[Entry]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: set[int] = set()
        self._done: dict[int, int] = {}
        self._written: dict[str, tuple[tuple[int, int], int]] = {}
        self._read_to = 0
        self._closed = False
        self._is_behind = True
        """Rows may be left that come before what is committed now."""
        self._has_left = False
        """Something was left since the rows were begun to be read: they are read again before anything new is said."""
        self._broken: set[int] = set()
        db.voice.say = self.hand

    def attach(self, bus: Bus) -> None:
        self._bus, self._bucket = bus, Bucket(bus, subjects.DESIRED, Desired)
        bus.reconnected.append(self.bucket_lost)

    async def run(self) -> None:
        """Carry until cancelled."""
        while True:
            try:
                await self._clear()
                if self._bus is not None and self._bus.connected:
                    await self._sweep()
            except Exception:  # the database may be away for a while; what is said must not end with it
                logger.exception("relay.tick_failed")
            await asyncio.sleep(_TICK)

    def hand(self, entries: Sequence[Entry]) -> None:
        """Say `entries`, which are committed. While the bus is away, or others have to go first, they wait in their rows."""
        if self._is_behind or self._closed or self._bus is None or not self._bus.connected:
            self._is_behind = self._has_left = True
        else:
            self._carry(entries)

    def _carry(self, entries: Sequence[Entry]) -> None:
        # Events go first: nothing that follows from a command may stand in the feed before what led to it.
        for entry in sorted(entries, key=lambda entry: entry.kind is not Kind.EVENT):
            self._held.add(entry.id)
            key = (entry.app_id, entry.kind is Kind.EVENT)
            lane = self._lanes.get(key)
            if lane is not None:
                lane.append(entry)
                continue
            self._lanes[key] = deque([entry])
            task = asyncio.create_task(self._drain(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def read_to(self, seq: int) -> None:
        """Events up to `seq` are in SQL: what said them may go."""
        self._read_to = seq

    def events_lost(self) -> None:
        """The stream of events was made anew: those that were said but not read back are said again, before anything new."""
        self._done = {row_id: sequence for row_id, sequence in self._done.items() if not sequence}
        self._is_behind = self._has_left = True

    async def look_at_recovery(self) -> bool:
        """While it is not decided whether this database counts, nothing that it still had to say is said. True while that is so."""
        async with self._db.connect() as connection:
            self._closed = await needed(connection) is not None
        return self._closed

    def bucket_lost(self) -> None:
        """The bucket may be another one: what was written is looked up again. Behind a new connection anything may be new."""
        self._written.clear()

    async def _drain(self, key: tuple[str, bool]) -> None:
        lane = self._lanes[key]
        try:
            while lane:
                # One at a time: what was sent just before a connection broke would come after what was sent behind it.
                await self._settle(lane.popleft())
        except BusAway as error:
            self._is_behind = self._has_left = True
            logger.info("relay.waiting", error=str(error))
        finally:
            self._held.difference_update(entry.id for entry in lane)
            del self._lanes[key]

    async def _settle(self, entry: Entry) -> None:
        try:
            self._done[entry.id] = await self._say(entry)
            self._broken.discard(entry.id)
        except BusAway:
            raise
        except Exception:  # a bug with one entry: its row stays, the sweep tries it again, and the log has it
            self._broken.add(entry.id)
            logger.exception("relay.failed", app_id=entry.app_id)
        finally:
            self._held.discard(entry.id)

    async def _say(self, entry: Entry) -> int:
        """Return the sequence up to which events must have been read before the row may go; 0 for at once."""
        if self._bus is None:
            raise BusAway("not connected yet")
        if entry.kind is Kind.DESIRED:
            await (self.write(msgspec.json.decode(entry.body, type=Desired)) if entry.body else self._forget(entry.subject))
            return 0
        sequence = await self._bus.store(entry.subject, entry.body, {"Nats-Msg-Id": entry.message_id, **entry.headers})
        return sequence if entry.kind is Kind.EVENT else 0

    async def _forget(self, key: str) -> None:
        await self._open_bucket().delete(key)
        self._written.pop(key, None)

    async def write(self, entry: Desired) -> None:
        """Write one entry of `desired` unless the bucket has it, or a newer one."""
        bucket, key = self._open_bucket(), entry.app_id
        wanted: Desired | None = entry
        for _ in range(_TRIES):
            rank, last = self._written.get(key) or await self._look(key)
            if rank[0] > self._db.epoch:  # another process ended a recovery: what this one wanted counts under the new epoch
                await self._db.reload_epoch()
                wanted = await self._rebuild(key)
            if not last:
                wanted = await self._rebuild(key)  # it may be of an app that has gone since
            if wanted is None or (wanted.epoch, wanted.revision) <= rank:
                return
            try:
                self._written[key] = (wanted.epoch, wanted.revision), await bucket.swap(key, wanted, last)
            except Conflict:
                self._written.pop(key, None)
            else:
                return
        raise BusAway(f"desired/{key} is written by others all the time")

    async def _look(self, key: str) -> tuple[tuple[int, int], int]:
        found = await self._open_bucket().get(key)
        return ((found[0].epoch, found[0].revision), found[1]) if found else _NOWHERE

    def _open_bucket(self) -> Bucket[Desired]:
        if self._bucket is None:
            raise BusAway("not connected yet")
        return self._bucket

    async def _clear(self) -> None:
        """Remove the rows of what was said; of events only those that SQL has.

        An event that the cursor has passed and that is not there was in a stream that is gone: it is said again.
        """
        passed = [row_id for row_id, sequence in self._done.items() if sequence <= self._read_to][:_BATCH]
        if passed:
            async with self._db.begin() as tx:
                await tx.connection.execute(
                    delete(OutboxRow).where(OutboxRow.id.in_(passed), or_(OutboxRow.kind != Kind.EVENT.value, _IS_READ))
                )
            for row_id in passed:
                self._done.pop(row_id, None)

    async def _sweep(self) -> None:
        """Take up what was left: by a bus that was away, or by a process that ended."""
        if await self.look_at_recovery():
            return
        if not self._is_behind:
            self._carry(self._unsaid(await self._rows(0, time.time() - _TICK)))
        while self._is_behind and await self._catch_up():
            pass

    async def _catch_up(self) -> bool:
        """Say all that is left, from the oldest on. False when the bus did not take all of it."""
        self._has_left, last, found = False, 0, False
        while rows := await self._rows(last, None):
            last = rows[-1].id
            entries = [entry for entry in self._unsaid(rows) if entry.id not in self._broken]
            if not entries:
                continue
            found = True
            self._carry(entries)
            await asyncio.wait(list(self._tasks))
            if any(entry.id not in self._done and entry.id not in self._broken for entry in entries):
                return False
        if not found and not self._has_left:
            self._is_behind = False
        return True

    async def _rows(self, after: int, before: float | None) -> Sequence[Row[Any]]:
        """Return the oldest rows whose id is more than `after`; with `before`, a time, those that are older than it."""
        columns = OutboxRow.__table__.c
        query = select(*columns).where(OutboxRow.id > after).order_by(OutboxRow.id).limit(_BATCH)
        if before is not None:
            query = query.where(OutboxRow.created_at < before)
        async with self._db.connect() as connection:
            rows = (await connection.execute(query)).all()
        if rows:
            await self._db.voice.settle()
        return rows

    def _unsaid(self, rows: Sequence[Row[Any]]) -> list[Entry]:
        return [_entry(row) for row in rows if row.id not in self._held and row.id not in self._done]


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        kind=Kind(row.kind),
        subject=row.subject,
        app_id=row.app_id,
        message_id=row.message_id,
        body=row.body,
        headers=msgspec.json.decode(row.headers, type=dict[str, str]),
    )
