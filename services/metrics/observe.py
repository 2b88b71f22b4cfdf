"""The beat: look at every container of ours, say what is there, and again at each tick or soon after something happened."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic, time

import msgspec
import structlog

from libs.common import clock, disks, ids, subjects
from libs.common.bus import Bus, BusAway
from libs.common.engine import containers, stats
from libs.common.engine.connect import Engine
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import EngineAway, EngineError, NotFound
from libs.common.engine.events import EngineEvent, watch
from libs.common.messages.metrics import Observation, ReplicaSample, StatsAnswer
from services.metrics.cgroups import Files, Usage
from services.metrics.history.keeper import History
from services.metrics.latest import Latest
from services.metrics.sample import USES_NOTHING, Sampler
from services.metrics.settings import Settings

DEBOUNCE = 0.1
"""Seconds from the first event of a burst to the look that shows them all."""
_REST, _LONGEST_REST = 10, 2.0
"""Times what the last look took, until an event has the next: while many containers come and go it may not take the machine."""
_RETRY_SECONDS = 1.0

logger = structlog.get_logger()


class Observer:
    """One engine, seen from outside. `woken` asks for a look before the next tick."""

    def __init__(self, settings: Settings, bus: Bus, latest: Latest, history: History) -> None:
        self._settings = settings
        self._bus = bus
        self._latest = latest
        self._history = history
        self._files = Files()
        self._sampler = Sampler()
        self._listed: list[ContainerListed] = []
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()
        self._engine_id = ""
        self._engine_root = ""
        self._trouble = "no look at the engine yet"
        self._source = ids.new("metrics")
        self._number = 0
        self._rested = 0.0
        self.woken = asyncio.Event()
        bus.reconnected.append(self.woken.set)

    async def check(self) -> tuple[str, str]:
        """What `ping` answers."""
        trouble = "; ".join(filter(None, (self._trouble, self._latest.trouble, self._history.trouble)))
        return ("degraded", trouble) if trouble else ("ok", "")

    async def run(self) -> None:
        """Look at each tick, and keep what is seen then. What is heard in between is shown at once and moves no tick."""
        while True:
            samples = await self.beat()
            if samples is not None:
                self._history.record(samples)
            due = monotonic() + until_tick(time(), self._settings.sync_seconds)
            while await self._woken_before(due):
                await self.beat()

    async def _woken_before(self, due: float) -> bool:
        """Wait for a reason to look, with the rest of its burst, or for the tick."""
        try:
            async with asyncio.timeout(max(0.0, due - monotonic())):
                await self.woken.wait()
                await asyncio.sleep(max(DEBOUNCE, self._rested - monotonic()))
        except TimeoutError:
            return False
        return True

    async def beat(self) -> tuple[ReplicaSample, ...] | None:
        """Look once and say it, to the bus first. An engine, a bus or a Redis that is away is for the next beat."""
        # The time is that from before the look: what happens during it is newer, and is not overruled by it.
        at, started = clock.now(), monotonic()
        self.woken.clear()
        samples = await self._look()
        self._rested = monotonic() + min(_REST * (monotonic() - started), _LONGEST_REST)
        self._number += 1
        seen = Observation(
            at=at,
            engine_id=self._engine_id,
            engine_ok=samples is not None,
            interval_seconds=self._settings.sync_seconds,
            samples=samples or (),
            source=self._source,
            number=self._number,
            disks=disks.measure_all(self._settings.home, self._engine_root),
        )
        try:
            await self._bus.broadcast(subjects.OBSERVATION, seen)
        except BusAway as error:
            logger.info("observe.unheard", error=str(error))
        if samples is not None:
            await self._latest.write(samples)
        return samples

    async def stats(self, app_id: str) -> StatsAnswer:
        """One app's containers at this moment: the files of those that the last look knew, or of a new one where something happened."""
        at = clock.now()
        try:
            engine = await self._open()
            listed = await self._of_app(engine, app_id)
            usages = await self._usages(engine, listed)
        except (EngineAway, EngineError) as error:
            return StatsAnswer(at=at, engine_id=self._engine_id, samples=(), trouble=str(error))
        return StatsAnswer(at=at, engine_id=self._engine_id, samples=self._sampler.now(listed, usages, monotonic()))

    async def _of_app(self, engine: Engine, app_id: str) -> list[ContainerListed]:
        if self._trouble or self.woken.is_set():
            return await containers.list_ours(engine, self._settings.instance, app_id)
        return [seen for seen in self._listed if seen.labels.get(containers.APP_LABEL) == app_id]

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
        self._listed = listed
        return self._sampler.take(listed, usages, monotonic())

    async def _open(self) -> Engine:
        async with self._opening:
            if self._engine is None:
                engine = await Engine.open(self._settings.docker_host)
                info = await engine.info()
                self._engine_id = info.id
                self._engine_root = disks.engine_root(self._settings.docker_host, info.root)
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


def until_tick(now: float, interval: float) -> float:
    """Seconds from Unix time `now` to the next tick: half an interval to one and a half.

    Ticks are in the middle of the intervals that the clock counts, so that each of the history's points gets its samples.
    """
    left = interval - (now + interval / 2) % interval
    return left if left > interval / 2 else left + interval


async def _ask(engine: Engine, container_id: str) -> Usage | None:
    """The engine's own figures, where the files can't be reached."""
    try:
        seen = await stats.once(engine, container_id)
    except NotFound:
        return None
    # It ended between the list and this question: the engine answers for it with zeros.
    return Usage(**msgspec.structs.asdict(seen)) if seen.memory_bytes or seen.cpu_seconds else None
