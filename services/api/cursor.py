"""Reads EVENTS from SQL's cursor on, in batches: all that waits becomes one transaction.

The consumer is ephemeral and keeps nothing: where to go on is in SQL. Whenever the stream is silent for too long, skips a message,
or the connection was lost, a new consumer is made at the cursor.
"""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Any, Literal

import nats.errors
import nats.js.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from libs.common import streams, subjects
from libs.common.bus import Bus
from libs.common.cancelling import heed
from services.api.db.database import Database
from services.api.event_stream import read_place
from services.api.reactions.batch import Fenced, Heard, take, take_or_pass_over
from services.api.wakes import Wakes

_LARGEST_BATCH = 200
_HEARTBEAT = 5.0
_SILENCE = 3 * _HEARTBEAT
_PATIENCE = 3
"""Failures in a row after which events are taken one at a time, and one that fails by itself is passed over."""
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_FAULTS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)

logger = structlog.get_logger()


class Gap(Exception):
    """The consumer lost something, or was lost: begin again at the cursor."""


class Follower:
    """`seq` is the last event that is in SQL. `on_read(seq)` is told each time it moves."""

    def __init__(self, db: Database, bus: Bus, wakes: Wakes, on_read: Callable[[int], None]) -> None:
        self._db = db
        self._bus = bus
        self._wakes = wakes
        self._on_read = on_read
        self._again = asyncio.Event()
        self._stream = ""
        self._failures = 0
        self.seq = 0
        bus.reconnected.append(self._again.set)

    def restart(self) -> None:
        """The stream is another one than before."""
        self._again.set()

    async def run(self) -> None:
        """Follow for ever."""
        pause = _PAUSE
        while True:
            started = monotonic()
            try:
                await self._follow()
            except (Gap, *_FAULTS) as error:
                logger.info("cursor.again", error=str(error) or type(error).__name__)
            except Exception:  # the database may be away, or an event may show a bug; neither may end the reading
                logger.exception("cursor.failed")
                self._failures += 1
            pause = _PAUSE if monotonic() - started > _SILENCE else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _follow(self) -> None:
        self._again.clear()
        self._stream = await self._read_cursor()
        subscription = await self._subscribe()
        waiting = asyncio.ensure_future(self._again.wait())
        try:
            await self._check_stream()
            expected = 1
            while not waiting.done():
                messages = await _next(subscription, waiting)
                expected = _check(messages, expected)
                await self._commit([_heard(message) for message in messages if _is_event(message)])
        finally:
            waiting.cancel()
            with contextlib.suppress(*_FAULTS):
                await subscription.unsubscribe()

    async def _read_cursor(self) -> str:
        """Go to where SQL's cursor stands, and return the identity of the stream in which it counts."""
        async with self._db.connect() as connection:
            place = await read_place(connection)
        self._moved(place.seq)
        return place.stream or ""

    async def _check_stream(self) -> None:
        """A stream's identity never comes back: one that is the cursor's before and after was there when the consumer was made."""
        seen = await heed(streams.look(self._bus.js, subjects.EVENTS))
        if seen is None or seen.identity != self._stream:
            raise Gap("the stream is another one than the cursor's")

    def _moved(self, seq: int) -> None:
        self.seq = seq
        self._on_read(seq)

    async def _subscribe(self) -> Subscription:
        inbox = self._bus.client.new_inbox()
        subscription = await self._bus.client.subscribe(inbox)
        config = ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self.seq + 1,
            filter_subject=subjects.EVERY_EVENT,
            ack_policy=AckPolicy.NONE,
            idle_heartbeat=_HEARTBEAT,
            inactive_threshold=_SILENCE,
            mem_storage=True,
            num_replicas=1,
        )
        await heed(self._bus.js.add_consumer(subjects.EVENTS, config))
        return subscription

    async def _commit(self, batch: list[Heard]) -> None:
        """All at once; one at a time where that failed again and again."""
        while batch := [heard for heard in batch if heard.seq > self.seq]:
            is_alone = self._failures >= _PATIENCE
            part = batch[:1] if is_alone else batch
            try:
                async with self._db.begin(derived=True) as tx:
                    take_part = take_or_pass_over if is_alone else take
                    keys = await take_part(tx, self._stream, self.seq, part)
            except Fenced:
                # Another API process was first; who waits here looks again, and we go on behind it.
                if await self._read_cursor() != self._stream:
                    raise Gap("the stream is another one now") from None
                self._wakes.wake(heard.subject.rpartition(".")[2] for heard in batch)
                continue
            self._moved(part[-1].seq)
            self._wakes.wake(keys)
            if part[-1] is batch[-1]:
                self._failures = 0


async def _next(subscription: Subscription, stop: "asyncio.Task[Literal[True]]") -> list[Msg]:
    """Return what has come, waiting for the first; `Gap` when not even a heartbeat came."""
    first = asyncio.ensure_future(subscription.next_msg(timeout=_SILENCE))
    first.add_done_callback(_forget)
    both: set[asyncio.Future[Any]] = {first, stop}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            return []
        try:
            messages = [first.result()]
        except nats.errors.TimeoutError:
            raise Gap("the stream is silent") from None
    finally:
        first.cancel()
    while subscription.pending_msgs and len(messages) < _LARGEST_BATCH:
        messages.append(await subscription.next_msg(timeout=_HEARTBEAT))
    return messages


def _forget(task: "asyncio.Task[Msg]") -> None:
    """A read that was given up may still fail; nobody asks any more."""
    if not task.cancelled():
        task.exception()


def _is_event(message: Msg) -> bool:
    return bool(message.reply)


def _check(messages: list[Msg], expected: int) -> int:
    """The consumer numbers what it delivers: a number that is left out is a message that was lost on the way."""
    for message in messages:
        if _is_event(message):
            if message.metadata.sequence.consumer != expected:
                raise Gap("the consumer skipped a message")
            expected += 1
        elif int((message.headers or {}).get("Nats-Last-Consumer", expected - 1)) != expected - 1:
            raise Gap("the consumer delivered what never came")
    return expected


def _heard(message: Msg) -> Heard:
    return Heard(seq=message.metadata.sequence.stream, subject=message.subject, body=message.data, headers=message.headers or {})
