"""How much volumes hold: asked of the engine now and then, for it has to walk all of their files."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from libs.common import clock
from libs.common.engine import volumes
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError
from libs.common.messages.metrics import VolumeSize

_SYNCS, _SHARE = 5, 50
"""It is asked every so many syncs, and never for more than a fiftieth of the time."""

logger = structlog.get_logger()


class Sizes:
    """`known` is as of `at`; empty until the first answer."""

    def __init__(self, engine: Callable[[], Awaitable[Engine]], instance: str, sync_seconds: float) -> None:
        self._engine = engine
        self._instance = instance
        self._pause = _SYNCS * sync_seconds
        self.at = ""
        self.known: tuple[VolumeSize, ...] = ()

    async def run(self) -> None:
        """Measure for ever. An engine that is away, or busy with the same for somebody else, is for the next time."""
        while True:
            began = monotonic()
            try:
                await self._measure()
            except (EngineAway, EngineError) as error:
                logger.info("volumes.not_measured", error=str(error))
            await asyncio.sleep(max(self._pause, _SHARE * (monotonic() - began)))

    async def _measure(self) -> None:
        at = clock.now()
        found = await volumes.sizes(await self._engine(), self._instance)
        self.known = tuple(VolumeSize(volume=seen.volume, copy=seen.number, size_bytes=size) for seen, size in found)
        self.at = at
