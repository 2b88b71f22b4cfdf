"""Follows the log of one container through all its lives."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from time import thread_time

import structlog

from libs.common.engine import logs
from libs.common.engine.connect import Engine
from libs.common.engine.demux import Demux
from libs.common.engine.errors import EngineAway, EngineError, NotFound
from libs.common.engine.following import follow
from services.runtime.masks import Masks
from services.runtime.replica import Replica
from services.runtime.tails.allowance import Allowance
from services.runtime.tails.hiding import Hiding
from services.runtime.tails.ring import Entry, Source

_PIECE = 64 * 1024
_PAUSE = 0.02
"""Between two looks at what came: who writes much is read in larger pieces."""
_HOLD_SECONDS = 0.5
"""How long a line that ends with the beginning of a secret waits for the next one."""
_AGAIN_SECONDS = 1.0
_LINES_AT_BEGIN, _LINES_AGAIN = 10_000, 100_000

logger = structlog.get_logger()


class Follower:
    """`take` gets what was read, `miss` what there was no time for.

    `ready`: from now on nothing is missed; `idle`: it read to the end; `gone`: its container is. Of a container that was there before
    it begins with the last line that there is; of a `fresh` one with the first.
    """

    def __init__(
        self,
        engine: Engine,
        replica: Replica,
        masks: Masks,
        allowance: Allowance,
        *,
        take: Callable[[list[Entry]], None],
        miss: Callable[["Counter[Source]"], None],
        fresh: bool,
    ) -> None:
        self.ready, self.idle = asyncio.Event(), asyncio.Event()
        self._engine = engine
        self._replica = replica
        self._allowance = allowance
        self._take, self._miss = take, miss
        self._fresh = fresh
        self._since = ""
        self._demux = Demux()
        self._hiding = Hiding(replica.name, masks)
        self._told = asyncio.Event()
        self.gone = False

    def tell(self, replica: Replica) -> None:
        """What is known of the container now."""
        if replica.started_at != self._replica.started_at:
            self.idle.clear()
        self._replica = replica
        self._told.set()

    def leave(self) -> None:
        """The container is gone: what is left of its log is all that will come."""
        self.gone = True
        self._told.set()

    async def run(self) -> None:
        try:
            await self._find_place()
            self.ready.set()
            life = self._replica.started_at
            while await self._read_life() and not self.gone:
                await self._another_life(life)
                life = self._replica.started_at
        finally:
            self.ready.set()
            self.idle.set()

    async def _find_place(self) -> None:
        while not self._fresh:
            try:
                found = await logs.tail(self._engine, self._replica.id, 1)
            except EngineAway:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            except EngineError:
                return
            self._since = found[-1].at if found else ""
            return

    async def _another_life(self, life: str | None) -> None:
        """Wait until it was started again; or a moment, where it should not have ended."""
        self.idle.set()
        while not self.gone and self._replica.started_at == life:
            self._told.clear()
            try:
                async with asyncio.timeout(_AGAIN_SECONDS if self._replica.running else None):
                    await self._told.wait()
            except TimeoutError:
                break
        self.idle.clear()

    async def _read_life(self) -> bool:
        """Read until the engine says that there is no more; False when there never will be."""
        since = self._place()
        lines = _LINES_AGAIN if self._demux.newest else _LINES_AT_BEGIN if since else None
        try:
            async with follow(self._engine, self._replica.id, lines=lines, since=since) as stream:
                await self._read(stream)
        except NotFound:
            return False
        except (EngineError, EngineAway, OSError) as error:
            logger.info("runtime.log_waits", replica=self._replica.name, error=str(error))
            await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            self._give(self._hiding.take(self._demux.end()) + self._hiding.end())
        return True

    def _place(self) -> str:
        """Where to go on: at the newest line, unless the clock was put back and the new life began before that."""
        newest, began = self._demux.newest, self._replica.started_at
        return (min(newest, began) if began else newest) if newest else self._since

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while chunk := await self._piece(stream):
            began = thread_time()
            if self._allowance.has_left():
                self._give(self._hiding.take(self._demux.feed(chunk)))
            else:
                self._pass_over(chunk)
            self._allowance.spend(thread_time() - began)
            await asyncio.sleep(0 if len(chunk) == _PIECE else _PAUSE)

    async def _piece(self, stream: asyncio.StreamReader) -> bytes:
        while self._hiding.holds:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HOLD_SECONDS):
                    return await stream.read(_PIECE)
            self._give(self._hiding.end())
        return await stream.read(_PIECE)

    def _give(self, entries: list[Entry]) -> None:
        if entries:
            self._take(entries)

    def _pass_over(self, chunk: bytes) -> None:
        self._give(self._hiding.end())
        skipped = self._demux.skip(chunk)
        self._miss(Counter({Source(self._replica.name, stream): count for stream, count in skipped.items()}))
