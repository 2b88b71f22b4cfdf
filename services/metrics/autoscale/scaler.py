"""The beat of decisions: every few seconds the apps whose load decides are looked at, and a number that is another now is written."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic, time

import msgspec
import structlog

from libs.common import clock, scaling, subjects
from libs.common.bucket import Bucket, Conflict, Mirror
from libs.common.bus import Bus, BusAway
from libs.common.messages.api import Desired
from libs.common.messages.metrics import ReplicaSample
from libs.common.messages.scale import Scale
from libs.common.states import Intent
from services.metrics.autoscale.decide import Decision, Times, decide
from services.metrics.autoscale.load import Window, of
from services.metrics.autoscale.teller import Teller
from services.metrics.observe import Observer
from services.metrics.sample import Sampler
from services.metrics.traffic import Inflow

_LATE = 3
"""Turns without a look after which those before it say nothing."""
_ME = "metrics"
_DAY = timedelta(days=1)

logger = structlog.get_logger()


class _App:
    """What is remembered of one app that load decides on. `marks`: what had passed to it at the last turn."""

    def __init__(self, changed: float, late: float) -> None:
        self.window = Window(late)
        self.changed = changed
        self.marks: tuple[int, int] | None = None
        self.idle_since: float | None = None

    def note(self, marks: tuple[int, int] | None, now: float) -> None:
        """Idle is who was asked nothing and has nothing open; whoever is not known of is not idle."""
        quiet = marks is not None and marks == self.marks and marks[1] == 0
        self.idle_since = (self.idle_since or now) if quiet else None
        self.marks = marks


class Scaler:
    """`wishes` are the entries of `desired` that carry a policy. An app that deploys, sleeps, is held or does not run is let be."""

    def __init__(self, bus: Bus, observer: Observer, inflow: Inflow, seconds: float) -> None:
        self.wishes: dict[str, Desired] = {}
        self._bus = bus
        self._observer = observer
        self._inflow = inflow
        self._seconds = seconds
        self._late = _LATE * seconds
        self._sampler = Sampler()
        self._apps: dict[str, _App] = {}
        self._bucket = Bucket(bus, subjects.SCALE, Scale)
        self._teller = Teller(bus)
        self._desired = Mirror(bus, subjects.DESIRED, msgspec.Raw, on_change=self._take)
        self._scales = Mirror(bus, subjects.SCALE, Scale, on_listed=self._tell_again)
        self._alive: set[str] = set()
        self._gone: set[str] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._desired.run())
            group.create_task(self._scales.run())
            group.create_task(self._beat())

    def _take(self, key: str, raw: msgspec.Raw | None) -> None:
        desired = _read(key, raw)
        known = self.wishes.pop(key, None)
        if raw is None or (desired is not None and desired.intent == Intent.DELETED):
            self._gone.add(key)
            self._alive.discard(key)
            self._inflow.forget(key)
        else:
            self._alive.add(key)
            self._gone.discard(key)
            if desired is not None and desired.autoscale is not None:
                self.wishes[key] = desired
        if known is None or _awake_since(known) != _awake_since(self.wishes.get(key)):
            # Off, unreadable, or started by somebody: what was seen until then says nothing of now.
            self._apps.pop(key, None)

    def _tell_again(self) -> None:
        """What may not have been said before this process began, or while the bus was away."""
        oldest = datetime.now(UTC) - _DAY
        made = [(scale, scaling.made_at(scale)) for scale in self._scales.entries.values()]
        self._teller.note(scale for scale, at in made if at is not None and at > oldest)

    async def _forget(self) -> None:
        """An app that is gone needs no number."""
        for app_id in list(self._gone):
            try:
                if app_id in self._scales.entries:
                    await self._bucket.delete(app_id)
            except BusAway as error:
                logger.info("autoscale.not_deleted", app_id=app_id, error=str(error))
                return
            self._teller.forget(app_id)
            self._gone.discard(app_id)

    async def _beat(self) -> None:
        await self._scales.listed.wait()
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.turn()
            except Exception:  # the next turn looks at all of it anew
                logger.exception("autoscale.turn_failed")

    async def turn(self) -> None:
        """Look at each app once, and decide."""
        await self._teller.say()
        await self._forget()
        if self._desired.listed.is_set():
            self._inflow.keep(self._alive, monotonic())
        wall, due = time(), {}
        for app_id, wish in self.wishes.items():
            current = self._number(wish, wall)
            if current > 0:
                due[app_id] = current
        self._apps = {app_id: self._apps.get(app_id) or _App(self._changed(app_id, wall), self._late) for app_id in due}
        looked = await self._observer.look_at(due.keys()) if due else None
        if looked is None:
            return
        now = monotonic()
        samples: dict[str, list[ReplicaSample]] = defaultdict(list)
        for sample in self._sampler.take(*looked, now):
            samples[sample.app_id].append(sample)
        for app_id, current in due.items():
            try:
                await self._decide(app_id, samples[app_id], current, now)
            except Exception:  # the others are decided on all the same
                logger.exception("autoscale.app_failed", app_id=app_id)

    def _number(self, wish: Desired, wall: float) -> int:
        """How many it has now; 0 where nothing is to be decided."""
        return scaling.number(wish, self._scales.entries.get(wish.app_id), wall) if _is_steady(wish) else 0

    def _changed(self, app_id: str, wall: float) -> float:
        """When the last decision was made, by the monotonic clock; one from the future was made now."""
        scale = self._scales.entries.get(app_id)
        at = scaling.made_at(scale) if scale is not None and scale.by == _ME else None
        return float("-inf") if at is None else monotonic() - max(0.0, wall - at.timestamp())

    async def _decide(self, app_id: str, samples: Iterable[ReplicaSample], current: int, now: float) -> None:
        app, wish = self._apps.get(app_id), self.wishes.get(app_id)
        if app is None or wish is None or wish.current is None or (policy := wish.autoscale) is None:
            return
        if self._number(wish, time()) != current:
            return  # it changed while we looked
        passed = self._inflow.of(wish.app_id, now)
        served = [sample for sample in samples if sample.release == wish.current.number]
        load = of(served, passed.requests_per_second if passed else None, now)
        app.window.add(load, policy.scale_down_cooldown_seconds)
        app.note(self._inflow.marks(wish.app_id, now), now)
        if scaling.is_held(policy, time()):
            return
        times = Times(now=now, changed=app.changed, idle_since=app.idle_since)
        decision = decide(policy, wish.limits, app.window.remembered(), current, times)
        if decision.replicas != current:
            await self._write(wish, decision, current)

    async def _write(self, wish: Desired, decision: Decision, current: int) -> None:
        """Whoever wrote since we read wins: our figures are from before."""
        before = self._scales.entries.get(wish.app_id)
        at = scaling.later(clock.now(), *_moments(wish), before.at if before and scaling.made_at(before) else None)
        scale = Scale(
            app_id=wish.app_id,
            replicas=decision.replicas,
            at=at,
            by=_ME,
            number=before.number + 1 if before else 1,
            reason=decision.reason,
            before=current,
            passed=decision.passed,
            figures=decision.figures,
        )
        try:
            await self._bucket.swap(wish.app_id, scale, self._scales.revisions.get(wish.app_id, 0))
        except (Conflict, BusAway) as error:
            logger.info("autoscale.dropped", app_id=wish.app_id, error=str(error))
            return
        self._apps[wish.app_id] = _App(monotonic(), self._late)
        logger.info("autoscale.decided", app_id=wish.app_id, before=current, replicas=decision.replicas, reason=decision.reason)
        self._teller.note([scale])
        await self._teller.say()


def _is_steady(wish: Desired) -> bool:
    """It runs, and nothing is being deployed: of two generations the figures say nothing about one."""
    return wish.intent == Intent.RUNNING and wish.current is not None and wish.candidate is None


def _awake_since(wish: Desired | None) -> str | None:
    return wish.autoscale.awake_since if wish is not None and wish.autoscale is not None else None


def _moments(wish: Desired) -> tuple[str | None, ...]:
    policy = wish.autoscale
    return (policy.since, policy.awake_since) if policy else ()


def _read(key: str, raw: msgspec.Raw | None) -> Desired | None:
    """The wish; None for what is gone, is no app's, or cannot be read, which the runtime says."""
    if raw is None or not key.startswith("app_"):
        return None
    try:
        desired = msgspec.json.decode(raw, type=Desired)
    except msgspec.MsgspecError:
        return None
    return desired if desired.v == 1 else None
