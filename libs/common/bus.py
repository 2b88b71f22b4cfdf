"""The bus: one NATS connection a service, with JetStream publishing that is acknowledged or raises.

What FACTS say about nats-py is settled here: nothing is buffered while the server is away, the first connect loops by itself,
and a refused subject is an error of its own, not a time-out.
"""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from libs.common import log, subjects
from libs.common.cancelling import end, heed, insist
from libs.common.errors import Retry

T = TypeVar("T")
Handler = Callable[[bytes], Awaitable[object]]

PUBLISH_TIMEOUT = 5.0
_COMPRESSED = "Dockup-Compressed"
_COMPRESS_ABOVE = 64_000
_MOST_REFUSED = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0

logger = structlog.get_logger()


class BusAway(Retry):
    """The bus did not take it, or did not answer. It may have been taken all the same: say it again under the same id."""


class NoAnswer(Retry):
    """Nobody answered a query in time."""


class Bus:
    """A service's connection. `service` is also its NATS user, so the inbox prefix is its own."""

    def __init__(self, client: Client, service: str) -> None:
        self.client = client
        self.service = service
        self.js: JetStreamContext = client.jetstream(timeout=PUBLISH_TIMEOUT)
        # Before its first connection the client must not be asked for anything: the subscription that answers come to would be
        # noted as made and never reach the server, and every later query would end without an answer.
        self.opened = asyncio.Event()
        self.reconnected: list[Callable[[], None]] = []
        self.refused: list[str] = []

    @property
    def connected(self) -> bool:
        return bool(self.client.is_connected)

    @classmethod
    async def connect(cls, url: str, service: str) -> "Bus":
        """Connect, however long the server takes to come. Cancel the task to give up."""
        bus = cls(Client(), service)
        await bus.open(url)
        return bus

    async def open(self, url: str) -> None:
        """As `connect`, for a `Bus(Client(), service)` that others hold already; the first connection is told to `reconnected` too."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await insist(self.client.connect(**self._options(url)))
            except (OSError, nats.errors.Error, TimeoutError) as error:
                logger.info("bus.waiting", error=str(error) or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self.opened.set()
                for notice in self.reconnected:
                    notice()
                return

    def _options(self, url: str) -> dict[str, Any]:
        user = urlsplit(url).username or self.service
        return {
            "servers": url,
            "name": self.service,
            "inbox_prefix": f"_INBOX_{user}",
            "pending_size": 0,
            "connect_timeout": 2,
            "reconnect_time_wait": 0.1,
            "max_reconnect_attempts": -1,
            "ping_interval": 5,
            "max_outstanding_pings": 2,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnect,
            "reconnected_cb": self._on_reconnect,
        }

    async def _on_error(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            self.refused = [*self.refused[-_MOST_REFUSED:], str(error)]
            logger.error("bus.refused", error=str(error))
        else:
            logger.debug("bus.error", error=str(error) or type(error).__name__)

    async def _on_disconnect(self) -> None:
        logger.warning("bus.disconnected")
        # What was asked over a connection that is gone is hardly answered any more: it has timed out now, not in five seconds.
        for answer in list(self.client._resp_map.values()):  # noqa: SLF001 - nats-py has no call for it
            if not answer.done():
                answer.set_exception(nats.errors.TimeoutError())

    async def _on_reconnect(self) -> None:
        logger.info("bus.reconnected")
        for notice in self.reconnected:
            notice()

    async def close(self) -> None:
        reconnecting = self.client._reconnection_task  # noqa: SLF001 - it is told to end once, and may lose that
        with contextlib.suppress(OSError):  # the server ended first
            await self.client.close()
        if reconnecting is not None:
            await end(reconnecting)

    async def publish(self, subject: str, message: object, message_id: str) -> int:
        """Publish to a stream and return the sequence that it got; `BusAway` unless the server said that it is stored."""
        headers = {"Nats-Msg-Id": message_id, **log.outgoing()}
        return await self.store(subject, msgspec.json.encode(message), headers)

    async def store(self, subject: str, body: bytes, headers: dict[str, str]) -> int:
        """As `publish`, for a body that is encoded already."""
        if not self.connected:
            raise BusAway(f"{subject} was not taken: the bus is away")
        try:
            ack = await heed(self.js.publish(subject, body, headers=headers))
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusAway(f"{subject} was not taken: {error or type(error).__name__}") from error
        return int(ack.seq)

    async def say(self, message: msgspec.Struct, app_id: str | None) -> int:
        """Publish an event of this service; its `event_id` is what makes saying it twice harmless."""
        event_id: str = message.event_id  # type: ignore[attr-defined]
        return await self.publish(subjects.event(self.service, message, app_id), message, event_id)

    async def broadcast(self, subject: str, message: object) -> None:
        """Core publish: who listens now hears it, nobody else."""
        if not self.connected:
            raise BusAway(f"{subject} was not said: the bus is away")
        try:
            await self.client.publish(subject, msgspec.json.encode(message), headers=log.outgoing())
        except (nats.errors.Error, OSError) as error:
            raise BusAway(str(error) or type(error).__name__) from error

    async def listen(self, subject: str, handler: Handler, *, queue: str = "") -> None:
        """Core subscription; with `queue` one member of the group hears each message."""

        async def take(message: Msg) -> None:
            with log.incoming(message.headers):
                try:
                    await handler(message.data)
                except Exception:  # a bad message must not end the subscription
                    logger.exception("bus.listener_failed", subject=message.subject)

        await self.client.subscribe(subject, queue=queue, cb=take)

    async def next_kept(self, stream: str, subject: str, sequence: int) -> RawStreamMsg | None:
        """The first message of `subject`, wildcards allowed, that `stream` keeps from `sequence` on; None when there is none yet."""
        try:
            return await heed(self.js.get_msg(stream, seq=sequence, subject=subject, direct=True, next=True))
        except nats.js.errors.NotFoundError:
            return None
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusAway(f"{stream}: {error or type(error).__name__}") from error

    @contextlib.asynccontextmanager
    async def poked(self, subject: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something is said there; what it was is not kept."""
        event = asyncio.Event()

        async def poke(_message: Msg) -> None:
            event.set()

        subscription = await self.client.subscribe(subject, cb=poke)
        try:
            yield event
        finally:
            with contextlib.suppress(nats.errors.Error, OSError):
                await insist(subscription.unsubscribe())

    async def query(self, service: str, call: str, body: object, kind: type[T], *, timeout: float = 2.0) -> T:
        """Ask `service`; `NoAnswer` when nobody does in `timeout` seconds."""
        subject = subjects.query(service, call)
        if not self.connected:
            raise NoAnswer(f"{service} was not asked {call}: the bus is away")
        try:
            request = self.client.request(subject, msgspec.json.encode(body), timeout=timeout, headers=log.outgoing())
            answer = await heed(request)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise NoAnswer(f"{service} did not answer {call}") from error
        data = zlib.decompress(answer.data) if (answer.headers or {}).get(_COMPRESSED) else answer.data
        return msgspec.json.decode(data, type=kind)

    async def serve(self, call: str, handler: Handler, *, queue: str = "all") -> Callable[[], Awaitable[None]]:
        """Answer queries to this service until what is returned is called. Each runs in a task of its own, so a slow one delays nobody."""
        running: set[asyncio.Task[None]] = set()

        async def answer(message: Msg) -> None:
            with log.incoming(message.headers):
                try:
                    data = msgspec.json.encode(await handler(message.data))
                except Exception:  # the asker gets its time-out; the reason is here
                    logger.exception("bus.query_failed", call=call)
                    return
                packed = len(data) > _COMPRESS_ABOVE
                body = zlib.compress(data, 1) if packed else data
                try:
                    await self.client.publish(message.reply, body, headers={_COMPRESSED: "1"} if packed else None)
                except (nats.errors.Error, OSError) as error:
                    logger.error("bus.answer_lost", call=call, size=len(body), error=str(error) or type(error).__name__)  # noqa: TRY400 - no bug of ours

        async def take(message: Msg) -> None:
            task = asyncio.create_task(answer(message))
            running.add(task)
            task.add_done_callback(running.discard)

        subscription = await self.client.subscribe(subjects.query(self.service, call), queue=queue, cb=take)

        async def end() -> None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await insist(subscription.unsubscribe())

        return end
