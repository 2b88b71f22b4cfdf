"""The worker: takes one command at a time from COMMANDS and lets a plain async function do it.

Fetch, decode, heartbeat, handle, publish what follows, `ack_sync`. `Retry` comes back after its pause as often as it takes, `Rejected`
and what cannot be read go to the dead letter, a bug is tried five times and then goes there too. A message of a type that this worker
does not know yet is put back, so that a rolling upgrade loses nothing. A message that was put back on purpose has lost no try by it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import nats.errors
import nats.js.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from libs.common import log, subjects
from libs.common.bus import Bus, BusAway
from libs.common.cancelling import heed
from libs.common.errors import Rejected, Retry
from libs.common.streams import ACK_WAIT
from libs.common.waits import Waits

Handle = Callable[[msgspec.Struct], Awaitable[None]]
Healthy = Callable[[], Awaitable[bool]]

TRIES = 5
CRASHES = 20
"""Tries after which a message is not handled again: it seems to kill whoever takes it."""
_FETCH_SECONDS = 2.0
_PAUSE = 0.25
_UNKNOWN_PAUSE = 5.0
_FAULTS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)

logger = structlog.get_logger()


class Worker:
    """`count` fetch loops on the durable consumer of `bus.service`.

    `handlers`: message type → function; a function publishes what follows itself and returns when that is stored. `ready` is asked
    before each fetch: while it says no, nothing is fetched (the engine is away; work waits in the stream).
    """

    def __init__(
        self,
        bus: Bus,
        handlers: Mapping[type[msgspec.Struct], Handle],
        *,
        count: int,
        ready: Healthy,
    ) -> None:
        self._bus = bus
        self._handlers = {kind.__name__: (msgspec.json.Decoder(kind), handle) for kind, handle in handlers.items()}
        self._count = count
        self._ready = ready
        self._waits = Waits(bus)
        self.busy = 0
        self.unknown: set[str] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._loop())

    async def _loop(self) -> None:
        subscription: JetStreamContext.PullSubscription | None = None
        while True:
            try:
                if not await self._ready():
                    await asyncio.sleep(_PAUSE)
                    continue
                if subscription is None:
                    subscription = await heed(self._bus.js.pull_subscribe_bind(self._bus.service, subjects.COMMANDS))
                for message in await heed(subscription.fetch(1, timeout=_FETCH_SECONDS)):
                    await self._take(message)
            except nats.errors.TimeoutError:
                continue  # nothing to do is normal
            except (BusAway, *_FAULTS) as error:
                logger.info("worker.waiting", error=str(error) or type(error).__name__)
                subscription = None
                await asyncio.sleep(_PAUSE)

    async def _take(self, message: Msg) -> None:
        command_id = (message.headers or {}).get("Nats-Msg-Id", "")
        with log.incoming(message.headers, cause=command_id):
            self.busy += 1
            heart = asyncio.create_task(self._beat(message))
            try:
                await self._handle(message)
            finally:
                heart.cancel()
                self.busy -= 1

    async def _beat(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(ACK_WAIT / 3)
            with contextlib.suppress(*_FAULTS):
                await message.in_progress()

    async def _handle(self, message: Msg) -> None:
        name = _name(message)
        if name not in self._handlers:
            await self._put_aside(message, name)
            return
        decoder, handle = self._handlers[name]
        tries = await self._waits.tries(message)
        try:
            if tries > CRASHES:
                raise Rejected(f"tried {tries} times without an end")  # noqa: TRY301 - one way to the dead letter
            await handle(decoder.decode(message.data))
        except (Rejected, msgspec.DecodeError) as error:
            await self._bury(message, str(error))
        except Retry as error:
            logger.info("worker.retry", error=str(error), after=error.after)
            await self._put_back(message, error.after)
        except Exception as error:
            logger.exception("worker.bug", subject=message.subject, tries=tries)
            await (self._bury(message, repr(error)) if tries >= TRIES else message.nak(delay=min(2.0**tries, 30.0)))
        else:
            await heed(message.ack_sync(timeout=5))

    async def _put_aside(self, message: Msg, name: str) -> None:
        """Wait for a newer worker, unless the subject is none that any version could mean."""
        if not name:
            await self._bury(message, f"{message.subject} is no command")
            return
        self.unknown.add(name)
        logger.error("worker.unknown_message", subject=message.subject)
        await self._put_back(message, _UNKNOWN_PAUSE)

    async def _put_back(self, message: Msg, seconds: float) -> None:
        """A planned wait: noted first, so that the delivery is no failed try."""
        await self._waits.plan(message)
        await message.nak(delay=seconds)

    async def _bury(self, message: Msg, reason: str) -> None:
        """Copy it to the dead letter, then end it: in this order, so that it is never nowhere."""
        app_id = message.subject.rpartition(".")[2]
        headers = {**(message.headers or {}), "Dockup-Subject": message.subject, "Dockup-Reason": reason[:500]}
        logger.error("worker.dead_letter", subject=message.subject, reason=reason)
        try:
            await self._bus.store(subjects.dead(self._bus.service, app_id), message.data, headers)
        except BusAway:
            await message.nak(delay=1.0)
        else:
            await message.term()


def _name(message: Msg) -> str:
    """The command's type, or nothing for a subject of another form."""
    try:
        return subjects.parse(message.subject).name
    except ValueError:
        return ""
