"""One app's task: look, plan, start what is due, wait until something changes. Jobs run beside it, one on each thing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from structlog.contextvars import bound_contextvars

from libs.common.bus import BusAway
from libs.common.engine import containers
from libs.common.engine.containers import ContainerSeen
from libs.common.engine.errors import EngineAway, EngineError, NotFound
from libs.common.messages.api import Desired, Release
from libs.common.states import ReplicaState
from services.runtime import facts
from services.runtime.deaths import Deaths
from services.runtime.looking import has_route, look
from services.runtime.masks import Masks
from services.runtime.plan import plan
from services.runtime.replica import Health, Replica
from services.runtime.runs.memory import Runs
from services.runtime.runs.steps import StartRunner
from services.runtime.seen import Seen
from services.runtime.steps import OnContainer, Probe, ProbeProxy, Step, Wait
from services.runtime.targets import targets_of
from services.runtime.teller import Teller
from services.runtime.view import View, merged
from services.runtime.world import World

Do = Callable[["App", Any], Awaitable[None]]  # each takes its own kind of step

_PAUSE = 1.0
_LONGEST_WAIT = 60.0
_WATCHES = (Probe, ProbeProxy)
"""Steps that end when the plan no longer has them; all others run to their end."""

logger = structlog.get_logger()


class App:
    """`do` maps each kind of step to the function that takes it. `wake` may be called from anywhere in the loop."""

    def __init__(self, desired: Desired, world: World, do: Mapping[type[Step], Do]) -> None:
        self.world = world
        self.view = View()
        self.masks = Masks()
        self.teller = Teller(world.bus, desired.app_id)
        self.runs = Runs(desired.app_id, self.teller, world.clock, world.networks.release)
        self._do = do
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._watching: set[str] = set()
        self._woken = asyncio.Event()
        self.desired = desired
        self.want(desired)

    def want(self, desired: Desired) -> None:
        """Take a newer wish."""
        self.desired = desired
        candidate = desired.candidate.deployment_id if desired.candidate else None
        if candidate != self.view.candidate:
            self.view.new_candidate(candidate, self.world.clock.seconds())
        self.view.deaths = {key: deaths for key, deaths in self.view.deaths.items() if self.release(key.release) is not None}
        self.runs.want(desired)
        self.masks.learn(desired, self.world.known_of)
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    def release(self, number: int) -> Release | None:
        """Return the release of that number, if it is wanted still."""
        return next((r for r in (self.desired.candidate, self.desired.current) if r is not None and r.number == number), None)

    def wants(self, replica: Replica) -> bool:
        """Its release is wanted still."""
        release = self.release(replica.key.release)
        return release is not None and release.deployment_id == replica.deployment_id

    def mark(self, name: str) -> None:
        """Note when a phase of the candidate ended."""
        self.view.marks[name] = self.world.clock.seconds()
        self.wake()

    async def run(self) -> None:
        """Reconcile for ever. Cancel it to stop: what its jobs had begun on the engine is seen at the next start."""
        try:
            while True:
                self._woken.clear()
                with bound_contextvars(request_id=self.desired.request_id, actor=self.desired.actor, app_id=self.desired.app_id):
                    pause = self._turn_safely()
                await self._sleep(pause)
        finally:
            self.teller.stop()
            for job in self._jobs.values():
                job.cancel()

    def _turn_safely(self) -> float | None:
        """A bug in the plan of one app must not end its task: it is tried again, and says so."""
        try:
            return self._turn()
        except Exception:
            logger.exception("runtime.turn_failed")
            return _PAUSE

    def _turn(self) -> float | None:
        self.world.tails.look(self.desired.app_id, self.view.replicas.values(), self.masks)
        now = self.world.clock.now()
        steps = plan(self.desired, self.see(), now)
        wanted = {step.job for step in steps}
        for name in [name for name in self._watching if name not in wanted]:
            self._jobs[name].cancel()
        for step in steps:
            if not isinstance(step, Wait) and step.job not in self._jobs:
                self._start(step)
        waits = [step.until - now.engine for step in steps if isinstance(step, Wait) and step.until > 0]
        return min(waits, default=None)

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(min(max(seconds if seconds is not None else _LONGEST_WAIT, 0.001), _LONGEST_WAIT)):
                await self._woken.wait()
        except TimeoutError:
            return

    def _start(self, step: Step) -> None:
        name = step.job
        if isinstance(step, _WATCHES):
            self._watching.add(name)
        self._jobs[name] = asyncio.create_task(self._job(name, step), name=f"{self.desired.app_id} {name}")

    async def _job(self, name: str, step: Step) -> None:
        logger.debug("runtime.step", step=repr(step))
        try:
            await self._do[type(step)](self, step)
        except (EngineAway, BusAway) as error:
            logger.info("runtime.waits", step=type(step).__name__, error=str(error))
            await asyncio.sleep(error.after)
            if isinstance(error, EngineAway) and isinstance(step, OnContainer | StartRunner):
                await self._look_again(step.container)
        except Exception:
            logger.exception("runtime.step_failed", step=repr(step))
            await asyncio.sleep(_PAUSE)
        finally:
            if self._jobs.get(name) is asyncio.current_task():
                del self._jobs[name]
                self._watching.discard(name)
            self.wake()

    async def _look_again(self, container_id: str) -> None:
        """The engine went away under a job: the list that came with its return passed over what the job was working on."""
        while True:
            try:
                await self.refresh(container_id)
            except (EngineAway, EngineError) as error:
                logger.info("runtime.look_waits", error=str(error))
                await asyncio.sleep(_PAUSE)
            else:
                self.excuse(container_id)
                return

    def see(self) -> Seen:
        """Return what the plan looks at, as of now."""
        if self.view.routed_since is None and has_route(self.desired, self.view):
            self.view.routed_since = self.world.clock.seconds()
        return look(self.desired, self.view, self.runs, self.world, busy=len(self._jobs) > len(self._watching))

    # What the engine says.

    async def refresh(self, container_id: str) -> None:
        """Look at one container again."""
        try:
            self.merge(await containers.inspect(self.world.engine, container_id))
        except NotFound:
            self.vanish(container_id)

    def merge(self, seen: ContainerSeen) -> None:
        """Bring in what `inspect` said, and say what follows from it."""
        if (runner := self.runs.runners.get(seen.id)) is not None:
            self.runs.merge(runner, seen)
            self.wake()
        old = self.view.replicas.get(seen.id)
        if old is None:
            return
        new = merged(old, seen, self.world.clock.now())
        self.view.replicas[seen.id] = new
        if new.finished_at != old.finished_at and new.finished_at is not None and not new.leaving:
            self._died(old, new)
        if new.running and new.address and seen.address is None:
            self.replace(new, "it runs without a network")
        self.tell_life(new)
        self.wake()

    def vanish(self, container_id: str) -> None:
        """The container is gone though we did not remove it."""
        self.runs.vanish(container_id)
        self.wake()
        replica = self.view.replicas.pop(container_id, None)
        if replica is None or replica.leaving:
            return
        self.world.networks.release(replica.address)
        self.teller.tell(facts.vanished(self.desired.app_id, replica))
        if not replica.stopped:
            self._count_death(replica, replica.up_since)

    def tell_life(self, replica: Replica, *, again: bool = False) -> None:
        if not replica.leaving:
            for event in facts.of_life(self.desired.app_id, replica):
                self.teller.tell(event, again=again)

    def hear_death(self, container_id: str, at: str, exit_code: int) -> None:
        """Say at once that it ended: the engine answers no question about it until its network is taken down. A look follows."""
        replica = self.view.replicas.get(container_id)
        if replica is None or replica.leaving or replica.resting or replica.started_at is None or not (replica.running or replica.paused):
            return
        if self._is_wanted(replica):
            ended = msgspec.structs.replace(replica, finished_at=at, exit_code=exit_code)
            self.teller.tell(facts.died(self.desired.app_id, ended, replica.started_at))

    def _is_wanted(self, replica: Replica) -> bool:
        return any(replica.key in target.places() for target in targets_of(self.desired, self.see()))

    def _died(self, old: Replica, new: Replica) -> None:
        if new.resting or not self._is_wanted(new) or not (new.stopped or old.health != Health.UNSEEN):
            return
        # One that runs again already has ended the life before.
        self.teller.tell(facts.died(self.desired.app_id, new, new.started_at if new.stopped else old.started_at))
        self._count_death(new, old.up_since)

    def _count_death(self, replica: Replica, up_since: float | None) -> None:
        now = self.world.clock.seconds()
        deaths = self.view.deaths.get(replica.key, Deaths()).another(now, up_since)
        if deaths.loops or deaths.looping:
            # At each death: the status falls back to what was said last.
            self.teller.tell(facts.crash_looping(self.desired.app_id, replica, deaths))
            deaths = Deaths(row=deaths.row, times=deaths.times, retry_at=deaths.retry_at, looping=True)
        self.view.deaths[replica.key] = deaths

    def replace(self, replica: Replica, why: str) -> None:
        """This container will not serve again: another takes its place, after the pause that such ends have earned."""
        if self.view.change(replica.id, leaving=True) is None or replica.leaving:
            return
        logger.warning("runtime.replaced", replica=replica.name, error=why)
        self._count_death(replica, replica.up_since)
        self.wake()

    def on_oom(self, container_id: str) -> None:
        self.view.change(container_id, oom=True)
        self.runs.change(container_id, oom=True)

    def working_on(self, container_id: str) -> bool:
        """A job of ours changes this container right now and will look at it itself."""
        return f"container {container_id}" in self._jobs

    def has_job(self, step: Step) -> bool:
        """A step on the same thing is under way."""
        return step.job in self._jobs

    def take_in(self, replica: Replica, seen: ContainerSeen) -> None:
        """Learn of a container that the list showed."""
        if replica.id not in self.view.replicas:
            # Stopped, and not for the engine to start: it sleeps since before this process began.
            is_down = seen.state == ReplicaState.EXITED and seen.restart_policy == "no"
            resting = is_down and replica.key.is_web and not self._of_candidate(replica)
            self.view.replicas[replica.id] = msgspec.structs.replace(replica, resting=resting)
        self.merge(seen)

    def excuse(self, container_id: str) -> None:
        """The engine was away and came back without it running: not the candidate's fault."""
        replica = self.view.replicas.get(container_id)
        if replica is not None and replica.state == ReplicaState.EXITED and self.is_candidate(container_id):
            self.view.change(container_id, excused=True)

    def is_candidate(self, container_id: str) -> bool:
        replica = self.view.replicas.get(container_id)
        return replica is not None and self._of_candidate(replica)

    def _of_candidate(self, replica: Replica) -> bool:
        candidate = self.desired.candidate
        return candidate is not None and replica.deployment_id == candidate.deployment_id

    # Saying again.

    def tick(self) -> None:
        """Say the candidate's end again while the API has not taken notice."""
        candidate = self.desired.candidate
        if candidate is not None and candidate.number in self.view.said_live:
            self.teller.tell(facts.live(self.desired.app_id, candidate, self.view.marks), again=True)
        if candidate is not None and (failure := self.view.failed.get(candidate.deployment_id)):
            self.teller.tell(facts.failed(self.desired.app_id, candidate, failure), again=True)
        self.runs.say_again()
        self.wake()

    def say_again(self) -> None:
        """The bus is new, and may have lost what was said: all of it is said again."""
        self.teller.forget()
        self.view.said_settled = None
        self.view.said_removed = False
        self.view.said_ahead = None
        self.view.purged.clear()
        for replica in self.view.replicas.values():
            self.tell_life(replica)
        self.tick()
