"""From any state of the engine and any wish: the plan comes to an end, and what serves goes only for something that serves."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.messages.api import Desired, Mount, Size
from libs.common.states import Intent, ReplicaState
from services.runtime import steps
from services.runtime.plan import plan
from services.runtime.replica import Health, Key, Replica
from services.runtime.routes import is_healthy
from services.runtime.seen import Router, Seen
from services.runtime.targets import targets_of
from tests.unit.runtime.cases import NOW, changed, desired, later, release, replica, route, upstream

KEYS = [
    Key(number, restart, slot, process) for number in (0, 1, 2) for restart in (0, 1) for slot in (0, 1, 2) for process in ("web", "worker")
]
MOST_STEPS = 400
WORK = {"worker": ("work",)}
DATA = Mount(volume="vol_1", name="data", path="/data")


class World:
    """An engine, a router and an API that do what they are told. What is `broken` exits as soon as it is started."""

    def __init__(self, wish: Desired, view: Seen, broken: frozenset[Key]) -> None:
        self.wish = wish
        self.view = view
        self.broken = broken
        self.now = NOW
        self.failed = False
        self._made = 0

    def __repr__(self) -> str:
        there = [f"{one.key} {one.state} {one.health} resting={one.resting} leaving={one.leaving}" for one in self.view.replicas]
        candidate = self.wish.candidate is not None
        return f"{self.wish.intent} restart={self.wish.restart} {candidate=} count={self.view.count} {there} {self.view.route}"

    def due(self) -> list[steps.Step]:
        return plan(self.wish, self.view, self.now)

    def look(self, **fields: Any) -> None:
        self.view = msgspec.structs.replace(self.view, **fields)

    def change(self, container: str, **fields: Any) -> None:
        self.look(replicas=tuple(msgspec.structs.replace(one, **fields) if one.id == container else one for one in self.view.replicas))

    def key(self, container: str) -> Key:
        (found,) = [one.key for one in self.view.replicas if one.id == container]
        return found

    def take(self, step: steps.Step) -> None:  # noqa: C901, PLR0912 - one case a step
        match step:
            case steps.CreateReplica(key=key):
                assert key not in {one.key for one in self.view.replicas}
                self._made += 1
                self.look(replicas=(*self.view.replicas, self._new(key)))
            case steps.StartReplica(container=container) if self.key(container) in self.broken:
                self.change(container, state=ReplicaState.EXITED, exit_code=1, health=Health.STARTING, resting=False)
                self.look(retry_at={**self.view.retry_at, self.key(container): self.now.engine + 60})
            case steps.StartReplica(container=container):
                begun = {"health": Health.STARTING, "resting": False, "up_since": self.now.engine}
                self.change(container, state=ReplicaState.RUNNING, **begun)
            case steps.Probe(container=container):
                self.change(container, health=Health.HEALTHY)
            case steps.PublishRoute(route=published):
                sessions = {one.name: 0 for one in published.upstreams}
                self.look(route=published, stored=True, routers=(Router(id="rtr_1", revision=published.revision, sessions=sessions),))
            case steps.ProbeProxy(release=number):
                self.look(proved=self.view.proved | {number})
            case steps.AnnounceLive(release=number):
                self.look(said_live=self.view.said_live | {number})
                self.wish = changed(self.wish, current=self.wish.candidate, candidate=None, revision=self.wish.revision + 1)
            case steps.FailCandidate(release=number):
                self.look(failed=self.view.failed | {f"dep_{number}"})
                self.failed = True
            case steps.KeepRunning(container=container):
                self.change(container, policy="unless-stopped")
            case steps.UpdateLimits(container=container, limits=limits):
                self.change(container, limits=limits)
            case steps.PauseReplica(container=container):
                self.change(container, state=ReplicaState.PAUSED)
            case steps.Unpause(container=container):
                self.change(container, state=ReplicaState.RUNNING)
            case steps.PutToSleep(container=container):
                self.change(container, state=ReplicaState.EXITED, policy="no", resting=True)
            case steps.Retire(container=container):
                self.key(container)
                self.look(replicas=tuple(one for one in self.view.replicas if one.id != container))
            case steps.EnsureNetwork():
                self.look(network=True)
            case steps.RemoveNetwork():
                self.look(network=False)
            case steps.AnnounceSettled(epoch=epoch, revision=revision):
                self.look(said_settled=(epoch, revision))
            case steps.AnnounceRemoved():
                self.look(said_removed=True)
            case _:
                raise AssertionError(step)

    def _new(self, key: Key) -> Replica:
        writes = frozenset({"vol_1"}) if self.alone else frozenset()
        fields = {"state": ReplicaState.CREATED, "health": Health.STARTING, "policy": "no", "up_since": None, "starts": 0}
        return made(key, f"new{self._made}" * 4, writes=writes, copies={"vol_1": 1} if self.alone else {}, **fields)

    @property
    def alone(self) -> bool:
        return any(one is not None and one.volumes for one in (self.wish.current, self.wish.candidate))

    def notice(self) -> None:
        """The API hears that the candidate failed."""
        if self.failed:
            self.failed, self.wish = False, changed(self.wish, candidate=None, revision=self.wish.revision + 1)

    def pass_time(self, until: float) -> None:
        self.now = later(max(until, self.now.engine + 1) - NOW.engine)

    # What is promised.

    def fronting(self) -> set[str]:
        return {one.name for one in self.view.route.upstreams if one.draining_since is None} if self.view.route else set()

    def serves(self) -> bool:
        """New requests find somebody who is to have them.

        A release that failed is to have none, whatever of it is fit: were it to go on until the current one is up, it would serve for as
        long as that one crash loops.
        """
        there = [one for one in self.view.replicas if one.deployment_id not in self.view.failed]
        return any(one.upstream in self.fronting() and self.is_fit(one) for one in there)

    def is_fit(self, one: Replica) -> bool:
        return one.serves and is_healthy(one, self.view)

    def works(self) -> bool:
        """Somebody of the current release does the work of `worker`."""
        current = self.wish.current.deployment_id if self.wish.current else None
        return any(one.key.process == "worker" and one.deployment_id == current and self.is_fit(one) for one in self.view.replicas)

    def keeps_some(self) -> bool:
        return self.wish.intent == Intent.RUNNING and self.view.count != 0 and not self.alone

    def keeps_workers(self) -> bool:
        current = self.wish.current
        return self.keeps_some() and current is not None and "worker" in current.processes and self.wish.size_of("worker").replicas > 0

    def wanted(self) -> set[Key]:
        """Those that are to be there in the end."""
        target = next(iter(targets_of(self.wish, self.view)), None)
        return set(target.places()) if target is not None else set()


def made(key: Key, name: str, **fields: Any) -> Replica:
    return replica(key.release, key.slot, key.restart, id=name, name=str(key), key=key, **fields)


@st.composite
def replicas(draw: st.DrawFn, key: Key, fields: dict[str, Any]) -> Replica:
    state = draw(st.sampled_from([ReplicaState.RUNNING] * 4 + [each for each in ReplicaState if each not in _PASSING]))
    health = draw(st.sampled_from([Health.HEALTHY] * 3 + [Health.UNHEALTHY, Health.STARTING, Health.UNSEEN]))
    policy = draw(st.sampled_from(["no", "unless-stopped"]))
    resting = state == ReplicaState.EXITED and key.is_web and draw(st.booleans())
    leaving = draw(st.integers(0, 5)) == 0
    name = f"old{KEYS.index(key):02}" * 4
    if draw(st.integers(0, 5)) == 0:
        fields = {**fields, "deployment_id": "dep_before"}
    return made(key, name, state=state, health=health, policy=policy, resting=resting, leaving=leaving, **fields)


@st.composite
def worlds(draw: st.DrawFn, intents: list[Intent], volumes: tuple[Mount, ...] = ()) -> World:
    """`volumes` have one writer: such an app has one process, and one replica."""
    with_worker = {} if volumes else WORK
    wish = desired(
        current=release(1, processes=with_worker, volumes=volumes),
        candidate=draw(st.sampled_from([None, release(2, processes=draw(st.sampled_from([{}, with_worker])), volumes=volumes)])),
        intent=draw(st.sampled_from(intents)),
        replicas=1 if volumes else draw(st.integers(1, 3)),
        restart=draw(st.integers(0, 1)),
        thaw=True,
        processes={} if volumes else {"worker": Size(replicas=draw(st.integers(0, 2)))},
    )
    keys = draw(st.lists(st.sampled_from([key for key in KEYS if key.is_web or not volumes]), unique=True, max_size=2 if volumes else 7))
    has = {"writes": frozenset({"vol_1"}), "copies": {"vol_1": 1}} if volumes else {}
    there = [draw(replicas(key, has)) for key in keys]
    routed = [one for one in there if one.key.is_web and one.running and draw(st.booleans())]
    # Requests go to one generation at a time.
    front = draw(st.sampled_from([one.key.generation for one in routed] or [None]))
    last = route(*(upstream(one, draw(st.sampled_from([None, None, 1.0])) if one.key.generation == front else 1.0) for one in routed))
    view = Seen(
        network=draw(st.booleans()) or bool(there),
        replicas=tuple(there),
        route=draw(st.sampled_from([last, last, None])),
        routers=(Router(id="rtr_1", revision=3),),
        count=draw(st.sampled_from([None, None, 0, 1, 2, 3])),
        may_remove=draw(st.integers(0, 3)) > 0,
    )
    return World(wish, view, draw(st.frozensets(st.sampled_from(KEYS), max_size=4)))


_PASSING = {ReplicaState.RESTARTING, ReplicaState.REMOVING}
"""States that the engine ends by itself."""


def walk(world: World, random: Random) -> None:
    """Take what is due in any order until nothing is but waiting, and let time pass; look at every step."""
    for _ in range(MOST_STEPS):
        due = world.due()
        todo = [step for step in due if not isinstance(step, steps.Wait) and not _is_done(step, world)]
        if not todo:
            if world.view.said_removed or world.view.said_settled == (world.wish.epoch, world.wish.revision):
                _look_at_the_end(world)
                return
            world.notice()
            world.look(may_remove=True)
            world.pass_time(min([step.until for step in due if isinstance(step, steps.Wait)], default=0.0))
            continue
        served, worked = world.serves(), world.works()
        step = random.choice(todo)
        _look_before(world, step)
        world.take(step)
        # From here on what served alone may be of a release that failed: the current one died while the candidate was proved.
        assert world.serves() or not (served and world.keeps_some()) or isinstance(step, steps.FailCandidate), step
        assert world.works() or not (worked and world.keeps_workers()) or isinstance(step, steps.AnnounceLive), step
    assert world.broken, f"no end: {world.due()} {world.wish} {world.view}"


_REMOVAL = steps.Retire | steps.PutToSleep | steps.PurgeVolume | steps.RemoveNetwork | steps.AnnounceRemoved


def _look_before(world: World, step: steps.Step) -> None:
    assert world.view.may_remove or not isinstance(step, _REMOVAL)
    if isinstance(step, steps.OnContainer):
        assert step.container in {one.id for one in world.view.replicas}
    if world.alone and isinstance(step, steps.CreateReplica | steps.StartReplica):
        own = step.key if isinstance(step, steps.CreateReplica) else world.key(step.container)
        assert not [one.key for one in world.view.replicas if one.writes and one.key != own], step


def _look_at_the_end(world: World) -> None:
    assert {one.key for one in world.view.replicas} == world.wanted()
    assert world.fronting() == {one.upstream for one in world.view.replicas if one.key.is_web and one.running and not one.resting}


def _is_done(step: steps.Step, world: World) -> bool:
    return isinstance(step, steps.Probe) and any(one.id == step.container and one.health == Health.HEALTHY for one in world.view.replicas)


ANY = list(Intent)
FEW, MANY = settings(max_examples=25, deadline=None), settings(max_examples=3_000, deadline=None)
worlds_and_orders = given(world=st.one_of(worlds([Intent.RUNNING]), worlds(ANY), worlds(ANY, (DATA,))), seed=st.integers(0, 1000))


@FEW
@worlds_and_orders
def test_what_serves_goes_only_for_what_serves(world: World, seed: int) -> None:
    walk(world, Random(seed))  # noqa: S311 - an order, not a secret


@pytest.mark.long
@MANY
@worlds_and_orders
def test_from_many_states(world: World, seed: int) -> None:
    walk(world, Random(seed))  # noqa: S311 - an order, not a secret
