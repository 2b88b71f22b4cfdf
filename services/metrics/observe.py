"""The beat: look at every container of ours, say what is there, and again at each tick or soon after something happened."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from time import monotonic, time

import structlog

from libs.common import clock, disks, ids, subjects
from libs.common.bus import Bus, BusAway
from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError
from libs.common.engine.events import EngineEvent, watch
from libs.common.messages.metrics import Observation, ReplicaSample, StatsAnswer, TrafficNow
from libs.common.messages.router import AppTraffic
from services.metrics.history.keeper import History
from services.metrics.inventory import Found, Inventory
from services.metrics.latest import Latest
from services.metrics.parts import parts
from services.metrics.sample import Sampler
from services.metrics.settings import Settings
from services.metrics.traffic import Inflow
from services.metrics.volumes import Sizes

DEBOUNCE = 0.1
"""Seconds from the first event of a burst to the look that shows them all."""
_REST, _LONGEST_REST = 20, 2.0
"""Times what the last look took, until an event has the next: while many containers come and go it may not take the machine, nor the
API's time, which is some of that again."""
_RETRY_SECONDS = 1.0

logger = structlog.get_logger()


class Observer:
    """One engine, seen from outside. `woken` asks for a look before the next tick."""

    def __init__(self, settings: Settings, bus: Bus, latest: Latest, history: History, inflow: Inflow) -> None:
        self._settings = settings
        self._bus = bus
        self._latest = latest
        self._history = history
        self._inflow = inflow
        self._sampler = Sampler()
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()
        self._engine_id = ""
        self._engine_root = ""
        self._trouble = "no look at the engine yet"
        self._source = ids.new("metrics")
        self._number = 0
        self._rested = 0.0
        self.woken = asyncio.Event()
        self.inventory = Inventory(settings.instance)
        self.sizes = Sizes(self.open, settings.instance, settings.sync_seconds)
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
                self._history.record(samples, self._passed(samples))
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
            volumes=self.sizes.known,
            volumes_at=self.sizes.at,
        )
        await self._say(seen)
        if samples is not None:
            await self._latest.write(samples, self._traffic(samples))
        return samples

    async def _say(self, seen: Observation) -> None:
        """In messages that stand alone: one that is not heard takes no other with it."""
        for part in parts(seen):
            try:
                await self._bus.broadcast(subjects.OBSERVATION, part)
            except BusAway as error:
                logger.info("observe.unheard", error=str(error))

    def _passed(self, samples: tuple[ReplicaSample, ...]) -> list[AppTraffic] | None:
        """What passed since the last tick to each app that has a container; None while the routers are not heard."""
        return self._inflow.taken(sorted({sample.app_id for sample in samples}), monotonic())

    def _traffic(self, samples: tuple[ReplicaSample, ...]) -> dict[str, TrafficNow]:
        now = monotonic()
        found = {app_id: self._inflow.of(app_id, now) for app_id in {sample.app_id for sample in samples}}
        return {app_id: traffic for app_id, traffic in found.items() if traffic is not None}

    async def stats(self, app_id: str) -> StatsAnswer:
        """One app's containers at this moment: the files of those that the last look knew, or of a new one where something happened."""
        at = clock.now()
        try:
            engine = await self.open()
            listed = await self.inventory.of_app(engine, app_id)
            usages = await self.inventory.usages(engine, listed)
        except (EngineAway, EngineError) as error:
            return StatsAnswer(at=at, engine_id=self._engine_id, samples=(), trouble=str(error))
        now = monotonic()
        samples = self._sampler.now(listed, usages, now)
        return StatsAnswer(at=at, engine_id=self._engine_id, samples=samples, traffic=self._inflow.of(app_id, now))

    async def look_at(self, app_ids: Collection[str]) -> Found | None:
        """These apps' containers, as they were listed last, and what they use now; None while the engine does not answer."""
        if self._trouble:
            return None
        listed = [seen for seen in self.inventory.listed if seen.labels.get(containers.APP_LABEL) in app_ids]
        try:
            return listed, await self.inventory.usages(await self.open(), listed)
        except (EngineAway, EngineError):
            return None

    async def _look(self) -> tuple[ReplicaSample, ...] | None:
        """Every container of ours, or None when the engine does not answer."""
        try:
            listed, usages = await self.inventory.look(await self.open())
        except (EngineAway, EngineError) as error:
            if not self._trouble:
                logger.warning("engine.away", error=str(error))
            self._trouble = str(error)
            return None
        self._trouble = ""
        return self._sampler.take(listed, usages, monotonic())

    async def open(self) -> Engine:
        """The connection to the engine, made now where there is none. `EngineAway`."""
        async with self._opening:
            if self._engine is None:
                engine = await Engine.open(self._settings.docker_host)
                try:
                    info = await engine.info()
                except BaseException:
                    engine.close()
                    raise
                self._engine_id = info.id
                self._engine_root = disks.engine_root(self._settings.docker_host, info.root)
                self._engine = engine
            return self._engine

    async def listen(self, handlers: Mapping[str, Callable[["Observer", EngineEvent], None]]) -> None:
        """Follow the engine's events for ever; each new beginning asks for a look, for what was missed."""
        while True:
            try:
                self.inventory.watch = watch(await self.open(), self._settings.instance)
                self._look_at_all()
                async for event in self.inventory.watch:
                    if handler := handlers.get(event.action):
                        handler(self, event)
            except (EngineAway, EngineError) as error:
                logger.info("events.waiting", error=str(error))
                self.inventory.watch = None
                self._look_at_all()
                await asyncio.sleep(_RETRY_SECONDS)

    def _look_at_all(self) -> None:
        self.inventory.miss()
        self.woken.set()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def until_tick(now: float, interval: float) -> float:
    """Seconds from Unix time `now` to the next tick: half an interval to one and a half.

    Ticks are in the middle of the intervals that the clock counts, so that each of the history's points gets its samples.
    """
    left = interval - (now + interval / 2) % interval
    return left if left > interval / 2 else left + interval
