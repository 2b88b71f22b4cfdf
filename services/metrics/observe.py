"""The beat: look at every container of ours, say what is there, and again at each tick or soon after something happened."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

import structlog

from libs.common import clock, subjects
from libs.common.bus import Bus, BusAway
from libs.common.engine import containers, stats
from libs.common.engine.connect import Engine
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import EngineAway, EngineError, NotFound
from libs.common.engine.events import EngineEvent, watch
from libs.common.messages.metrics import Observation, ReplicaSample
from services.metrics.cgroups import Files, Usage
from services.metrics.latest import Latest
from services.metrics.sample import USES_NOTHING, Sampler
from services.metrics.settings import Settings

DEBOUNCE = 0.1
"""Seconds from the first event of a burst to the look that shows them all."""
_RETRY_SECONDS = 1.0

logger = structlog.get_logger()


class Observer:
    """One engine, seen from outside. `woken` asks for a look before the next tick."""

    def __init__(self, settings: Settings, bus: Bus, latest: Latest) -> None:
        self._settings = settings
        self._bus = bus
        self._latest = latest
        self._files = Files()
        self._sampler = Sampler()
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()
        self._engine_id = ""
        self._trouble = "no look at the engine yet"
        self.woken = asyncio.Event()
        bus.reconnected.append(self.woken.set)

    async def check(self) -> tuple[str, str]:
        """What `ping` answers."""
        trouble = "; ".join(filter(None, (self._trouble, self._latest.trouble)))
        return ("degraded", trouble) if trouble else ("ok", "")

    async def run(self) -> None:
        """Look at each tick. What is heard in between is shown at once and moves no tick."""
        tick = monotonic()
        while True:
            await self.beat()
            now = monotonic()
            while tick <= now:
                tick += self._settings.sync_seconds
            await self._wait(tick - now)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
                await asyncio.sleep(DEBOUNCE)
        except TimeoutError:
            pass  # the tick came first
        self.woken.clear()

    async def beat(self) -> None:
        """Look once and say it, to the bus first. An engine, a bus or a Redis that is away is for the next beat."""
        samples = await self._look()
        seen = Observation(
            at=clock.now(),
            engine_id=self._engine_id,
            engine_ok=samples is not None,
            interval_seconds=self._settings.sync_seconds,
            samples=samples or (),
        )
        try:
            await self._bus.broadcast(subjects.OBSERVATION, seen)
        except BusAway as error:
            logger.info("observe.unheard", error=str(error))
        if samples is not None:
            await self._latest.write(samples)

    async def _look(self) -> tuple[ReplicaSample, ...] | None:
        """Every container of ours, or None when the engine does not answer."""
        try:
            engine = await self._open()
            listed = await containers.list_ours(engine, self._settings.instance)
            usages = await self._usages(engine, listed)
        except (EngineAway, EngineError) as error:
            if not self._trouble:
                logger.warning("engine.away", error=str(error))
            self._trouble = str(error)
            return None
        self._trouble = ""
        return self._sampler.take(listed, usages, monotonic())

    async def _open(self) -> Engine:
        async with self._opening:
            if self._engine is None:
                engine = await Engine.open(self._settings.docker_host)
                self._engine_id = (await engine.info()).id
                self._engine = engine
            return self._engine

    async def _usages(self, engine: Engine, listed: list[ContainerListed]) -> dict[str, Usage]:
        found: dict[str, Usage] = {}
        unread: list[str] = []
        for seen in listed:
            if seen.state in USES_NOTHING:
                continue
            if usage := self._files.usage(seen.id):
                found[seen.id] = usage
            else:
                unread.append(seen.id)
        answers = await asyncio.gather(*(_ask(engine, container_id) for container_id in unread))
        return found | {container_id: usage for container_id, usage in zip(unread, answers, strict=True) if usage}

    async def listen(self, handlers: Mapping[str, Callable[["Observer", EngineEvent], None]]) -> None:
        """Follow the engine's events for ever; each new beginning asks for a look, for what was missed."""
        while True:
            try:
                events = watch(await self._open(), self._settings.instance)
                self.woken.set()
                async for event in events:
                    if handler := handlers.get(event.action):
                        handler(self, event)
            except (EngineAway, EngineError) as error:
                logger.info("events.waiting", error=str(error))
                self.woken.set()
                await asyncio.sleep(_RETRY_SECONDS)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


async def _ask(engine: Engine, container_id: str) -> Usage | None:
    """The engine's own figures, where the files can't be reached."""
    try:
        seen = await stats.once(engine, container_id)
    except NotFound:
        return None
    return Usage(cpu_seconds=seen.cpu_seconds, memory_bytes=seen.memory_bytes)
