"""Between a client's WebSocket and a live session: bytes both ways, until either side ends it or the client may not go on."""

import asyncio
import codecs
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

import msgspec
from litestar.exceptions import WebSocketException

from libs.common.live.channel import Channel, Over
from libs.common.messages.sessions import BROKEN, BYTES, END_OF_INPUT, ERRORS, EXITED, LEFT, PEER_LOST, RESIZE, STOPPED, Ended, Resize
from services.api.http.sockets import DONE, REFUSED, Socket, close
from services.api.http.watching import LOOK_SECONDS, refusal
from services.api.terminals.schemas import ExitFrame, ResizeFrame, StderrFrame, read

IDLE, TIME_LIMIT = "idle", "time_limit"
_REFUSALS = frozenset({"unauthenticated", "forbidden"})
_FAILED = 1011
_FAILURES = frozenset({PEER_LOST, BROKEN, STOPPED, "database_unavailable"})
_GONE = (WebSocketException, RuntimeError, OSError)
"""What writing to a client gives that is not there any more."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """In seconds: without a byte either way, and in all."""

    idle: float
    total: float


class Bridge:
    """`may` raises a `Problem` once the client may not go on, and is asked as `watching` does. `tty` is whether a terminal is there.

    `heard` takes the frames whose tags are not those of `exec`, and says what the client is told of each.
    """

    def __init__(
        self,
        socket: Socket,
        channel: Channel,
        may: Callable[[], Awaitable[None]],
        limits: Limits,
        *,
        tty: bool,
        heard: Mapping[int, Callable[[bytes], Awaitable[msgspec.Struct]]] | None = None,
    ) -> None:
        self._socket = socket
        self._channel = channel
        self._may = may
        self._limits = limits
        self._tty = tty
        self._heard = heard or {}
        self._errors = codecs.getincrementaldecoder("utf-8")("replace")
        self._active = monotonic()

    async def run(self) -> None:
        """Until the end, which both sides are told."""
        giving = asyncio.create_task(self._to_client())
        others = (self._from_client(giving), self._watch(), self._refused())
        tasks = {giving, *(asyncio.create_task(each) for each in others)}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            why = done.pop().result()
        except _GONE:
            why = Ended(reason=LEFT)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._channel.close(why)
        with contextlib.suppress(*_GONE):
            await self._tell(why)

    async def _from_client(self, giving: "asyncio.Task[Ended]") -> Ended:
        try:
            while (message := await self._socket.receive())["type"] == "websocket.receive":
                self._active = monotonic()
                data, text = message.get("bytes"), message.get("text")
                if data:
                    await self._channel.send(data, BYTES)
                elif text is not None:
                    await self._take(text)
        except Over:
            return await asyncio.shield(giving)  # what was said before the end is still to be given
        return Ended(reason=LEFT)

    async def _take(self, text: str) -> None:
        frame = read(text)
        if isinstance(frame, ResizeFrame):
            await self._channel.put(msgspec.json.encode(Resize(cols=frame.cols, rows=frame.rows)), RESIZE)
            return
        await self._channel.send(frame.data.encode("utf-8", "surrogatepass"), BYTES)
        if frame.eof and not self._tty:
            await self._channel.put(b"", END_OF_INPUT)

    async def _to_client(self) -> Ended:
        while (frame := await self._channel.receive()) is not None:
            self._active = monotonic()
            if frame.tag == ERRORS:
                await self._say(StderrFrame(data=self._errors.decode(frame.body)))
            elif frame.tag in self._heard:
                await self._say(await self._heard[frame.tag](frame.body))
            else:
                await self._socket.send_bytes(frame.body)
        return self._channel.ended or Ended(reason=LEFT)

    async def _watch(self) -> Ended:
        began = monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = monotonic()
            if now - self._active >= self._limits.idle:
                return Ended(reason=IDLE, detail=f"Nothing was sent or shown for {self._limits.idle:g} s.")
            if now - began >= self._limits.total:
                return Ended(reason=TIME_LIMIT, detail=f"A session lasts {self._limits.total:g} s at most.")

    async def _refused(self) -> Ended:
        problem = await refusal(self._may)
        return Ended(reason=problem.code, detail=problem.detail)

    async def _tell(self, why: Ended) -> None:
        if why.reason == LEFT:
            return
        code = REFUSED if why.reason in _REFUSALS else _FAILED if why.reason in _FAILURES else DONE
        reason = None if why.reason == EXITED else why.reason
        await self._say(ExitFrame(code=why.code, reason=reason, detail=why.detail))
        await close(self._socket, code, why.reason)

    async def _say(self, frame: msgspec.Struct) -> None:
        await self._socket.send_text(msgspec.json.encode(frame).decode())
