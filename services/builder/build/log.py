"""The log of a build on its way to LOGS: masked, in pieces that fit into a message, bounded in all."""

import asyncio
import contextlib
import secrets as random
import time
from collections import deque
from collections.abc import Iterable

import structlog

from libs.common import bounds, clock, subjects
from libs.common.bus import Bus, BusAway
from libs.common.masking import Lines, Masker
from libs.common.messages.builder import BuildLine

BUILD, OUTPUT = "build", "stdout"
MOST_BYTES = 20 * 1024**2
_MOST_LINE = 16_000
_PIECE_BYTES = 256_000
_SECONDS, _LATER_SECONDS = 0.2, 2.0
_SOON_PIECES = 1_000
"""LOGS keeps 2,000 messages a subject: after so many pieces they come less often, and larger."""
_MOST_WAITING = 2_000_000
_LAST = 50
_TRIES = 3

logger = structlog.get_logger()


class BuildLog:
    """Lines of one deployment's build. `close` returns when all are stored, or given up because the bus does not take them.

    What a step wrote is kept, masked, for the failure: `last(step)`. Ids are made from one attempt at the build, so that a piece that
    is said again is not stored twice, and another attempt's log follows the first one's.
    """

    def __init__(self, bus: Bus, deployment_id: str, secrets: Iterable[str], *, most: int = MOST_BYTES) -> None:
        self._bus = bus
        self._subject = subjects.log(deployment_id, "build")
        self._id = f"{deployment_id}.build.{random.token_hex(6)}"
        self._masker = Masker(secrets)
        self._streams: dict[int, Lines] = {}
        self._last: dict[int, deque[str]] = {}
        self._waiting: deque[BuildLine] = deque()
        self._bytes = 0
        self._left = most
        self._number = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False
        self._sending = asyncio.create_task(self._send())

    def hide(self, text: str) -> str:
        return self._masker.hide(text)

    def say(self, message: str, *, step: int = 0, duration_ms: float | None = None) -> None:
        """What the builder itself says; what the step wrote before comes first."""
        self._put(step, self._streams[step].end() if step in self._streams else [])
        self._add(BuildLine(at=clock.now(), stream=BUILD, step=step, message=self._fit(self.hide(message)), duration_ms=duration_ms))

    def wrote(self, step: int, text: str) -> None:
        """A line that a step wrote."""
        stream = self._streams.setdefault(step, Lines(self._masker))
        self._put(step, stream.take(text))

    def last(self, step: int) -> tuple[str, ...]:
        return tuple(self._last.get(step, ()))

    async def drained(self) -> None:
        """Wait while too much is unsent, so that memory stays flat whatever a step prints."""
        while self._bytes > _MOST_WAITING and not self._sending.done():
            self._room.clear()
            await self._room.wait()

    async def close(self) -> None:
        for step, stream in self._streams.items():
            self._put(step, stream.end())
        self._closing = True
        self._wake.set()
        await self._sending

    def abandon(self) -> None:
        self._sending.cancel()

    def _put(self, step: int, texts: Iterable[str]) -> None:
        kept = self._last.setdefault(step, deque(maxlen=_LAST))
        for text in texts:
            short = self._fit(text)
            kept.append(short)
            if self._left > 0:
                self._left -= len(short) + 1
                self._add(BuildLine(at=clock.now(), stream=OUTPUT, step=step, message=short))
                if self._left <= 0:
                    self._add(BuildLine(at=clock.now(), stream=BUILD, step=0, message="The log is full: what the steps write is left out."))

    def _fit(self, text: str) -> str:
        return bounds.cut(text, _MOST_LINE)

    def _add(self, line: BuildLine) -> None:
        self._waiting.append(line)
        self._bytes += bounds.size(line)
        self._wake.set()

    async def _send(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                began = time.monotonic()
                while self._waiting:
                    if not await self._store(self._piece()):
                        return
                if self._closing:
                    return
                pause = _SECONDS if self._number < _SOON_PIECES else _LATER_SECONDS
                await self._rest(pause - (time.monotonic() - began))
        finally:
            self._room.set()

    async def _rest(self, seconds: float) -> None:
        """Wait until the next piece is due: sooner where a whole one is there, not at all at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._closing and self._bytes < _PIECE_BYTES:
                    self._wake.clear()
                    await self._wake.wait()
        self._wake.set()

    def _piece(self) -> list[BuildLine]:
        piece: list[BuildLine] = []
        size = 0
        while self._waiting and size < _PIECE_BYTES:
            line = self._waiting.popleft()
            size += bounds.size(line)
            piece.append(line)
        self._bytes -= size
        self._room.set()
        return piece

    async def _store(self, piece: list[BuildLine]) -> bool:
        """Say whether the bus took it. While there is no bus it is waited for; a bus that refuses three times will not have it."""
        self._number += 1
        tries = 0
        while tries < _TRIES:
            try:
                await self._bus.publish(self._subject, piece, f"{self._id}.{self._number}")
            except BusAway as error:
                tries += self._bus.connected
                logger.info("build.log_waits", error=str(error))
                await asyncio.sleep(error.after)
            else:
                return True
        logger.error("build.log_lost", subject=self._subject)
        return False
