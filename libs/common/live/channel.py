"""One side of a live session: sends within its credit, receives in order, and notices when the other side is gone."""

import asyncio
import contextlib
from collections import deque
from time import monotonic
from types import TracebackType
from typing import Self

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from libs.common.bus import Bus
from libs.common.cancelling import insist
from libs.common.errors import DockupError
from libs.common.live.flow import WINDOW, Flow, Hole
from libs.common.live.frames import BEAT, CLOSE, DATA, LARGEST, Frame, cost, pack, unpack
from libs.common.messages.sessions import BROKEN, LEFT, PEER_LOST, Ended

BEAT_SECONDS = 2.0
SILENCE_SECONDS = 8.0
_AWAY_SECONDS = 0.05
_FAULTS = (nats.errors.Error, OSError)

logger = structlog.get_logger()


class Over(DockupError):
    """The session has ended: nothing can be sent in it any more."""

    def __init__(self, why: Ended) -> None:
        super().__init__(f"the session has ended: {why.reason}")
        self.why = why


class Channel:
    """Make it, `listen`, have the other side listen, `start`; leave it by `close`, or use it as a context that closes it.

    `ended` says how it ended, None while it goes on. `window` bounds what is held here of what the other side has sent.
    """

    def __init__(self, bus: Bus, *, hears: str, speaks: str, window: int = WINDOW) -> None:
        self.ended: Ended | None = None
        self.over = asyncio.Event()
        self._bus = bus
        self._hears, self._speaks = hears, speaks
        self._flow = Flow(window)
        self._inbox: deque[Frame] = deque()
        self._came, self._room, self._due = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turn = asyncio.Lock()
        self._subscription: Subscription | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._heard_at = 0.0
        self._was_told = False

    async def listen(self) -> None:
        """From now on nothing that the other side says is missed."""
        self._subscription = await self._bus.client.subscribe(self._hears, cb=self._hear)

    def start(self) -> None:
        """The other side listens: grant it what it may send, and expect signs of life from it."""
        self._heard_at = monotonic()
        self._keeper = asyncio.create_task(self._keep())

    async def send(self, data: bytes, tag: int = 0) -> None:
        """Send bytes, in as many frames as they take. Waits while the other side has not taken enough; `Over` at the end."""
        view = memoryview(data)
        for start in range(0, len(data), LARGEST):
            await self.put(bytes(view[start : start + LARGEST]), tag)

    async def put(self, body: bytes, tag: int = 0) -> None:
        """Send one frame, which arrives as one; at most `LARGEST` bytes. Waits as `send` does."""
        if len(body) > LARGEST:
            raise ValueError(f"{len(body)} bytes do not fit into one frame")
        async with self._turn:
            await self._wait_for_room(cost(len(body)))
            self._flow.send(cost(len(body)))
            if not await self._say(DATA, tag, body):
                self.end(Ended(reason=BROKEN, detail="the bus went away while something was sent"))

    def has_room(self, size: int) -> bool:
        """Whether `put` of as many bytes would go out without waiting."""
        return self.ended is None and self._bus.connected and not self._turn.locked() and self._flow.may_send(cost(size))

    async def receive(self) -> Frame | None:
        """The next frame of data; None when the session has ended and all that came before has been given. For one reader."""
        while not self._inbox:
            if self.ended is not None:
                return None
            self._came.clear()
            await self._came.wait()
        frame = self._inbox.popleft()
        if self._flow.take(frame.cost):
            self._due.set()
        return frame

    def end(self, why: Ended) -> None:
        """It is over. The first reason stands; who waits to send or receive goes on at once, and the other side is told."""
        if self.ended is None:
            self.ended = why
            for event in (self.over, self._came, self._room, self._due):
                event.set()

    async def close(self, why: Ended | None = None) -> None:
        """End it, and see that it was said. Closed already is fine."""
        self.end(why or Ended(reason=LEFT))
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        await asyncio.shield(self._keeper)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _wait_for_room(self, size: int) -> None:
        while self.ended is None:
            if not self._bus.connected:
                await asyncio.sleep(_AWAY_SECONDS)  # the silence of the other side ends it, should it last
            elif self._flow.may_send(size):
                return
            else:
                self._room.clear()
                await self._room.wait()
        raise Over(self.ended)

    async def _hear(self, message: Msg) -> None:
        if self.ended is not None:
            return
        try:
            frame = unpack(message.data)
            self._flow.hear(frame)
        except (ValueError, Hole) as error:
            logger.warning("live.broken", error=str(error))
            self.end(Ended(reason=BROKEN, detail=str(error)))
            return
        self._heard_at = monotonic()
        self._room.set()
        if frame.kind == DATA:
            self._inbox.append(frame)
            self._came.set()
        elif frame.kind == CLOSE:
            self._was_told = True
            self.end(_reason(frame.body))

    async def _keep(self) -> None:
        """Say that we live, until the end; then say that."""
        try:
            while self.ended is None:
                self._due.clear()
                await self._say(BEAT)
                began = monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._due.wait()
                self._judge_silence(began)
        finally:
            if not self._was_told:
                await self._say(CLOSE, body=msgspec.json.encode(self.ended or Ended(reason=LEFT)))
            if self._subscription is not None:
                with contextlib.suppress(*_FAULTS):
                    await insist(self._subscription.unsubscribe())

    def _judge_silence(self, began: float) -> None:
        now = monotonic()
        if now - began > 2 * BEAT_SECONDS:
            self._heard_at = now  # it was this process that stood still: what was said to it meanwhile is yet to be read
        if now - self._heard_at > SILENCE_SECONDS:
            self.end(Ended(reason=PEER_LOST, detail=f"nothing was heard for {SILENCE_SECONDS:g} s"))

    async def _say(self, kind: int, tag: int = 0, body: bytes = b"") -> bool:
        """False when the bus did not take it."""
        frame = Frame(kind, tag, self._flow.sent, self._flow.grants, body)
        try:
            await self._bus.client.publish(self._speaks, pack(frame))
        except _FAULTS:
            return False
        self._flow.said()
        return True


def _reason(body: bytes) -> Ended:
    try:
        return msgspec.json.decode(body, type=Ended)
    except msgspec.DecodeError:
        return Ended(reason=LEFT)
