"""Volumes with one writer in the plan: the old container is gone before the new one is made, and a failure brings the old release back."""

import itertools
from typing import Any

import msgspec
import pytest

from libs.common.messages.api import Desired, Mount, Release
from libs.common.states import Intent, ReplicaState
from services.runtime.plan import plan
from services.runtime.replica import Health, Key, Replica
from services.runtime.seen import Router, Seen
from services.runtime.steps import CreateReplica, FailCandidate, PauseReplica, PublishRoute, Retire, StartReplica, Unpause
from tests.unit.runtime import cases
from tests.unit.runtime.cases import NOW, changed, desired, fresh, later, names, replica, route, seen, upstream, waits

DATA = Mount(volume="vol_1", name="data", path="/data")
SHARED = msgspec.structs.replace(DATA, shared=True)
ALONE: dict[str, Any] = {"copies": {"vol_1": 1}, "writes": frozenset({"vol_1"})}
TOGETHER: dict[str, Any] = {"copies": {"vol_1": 1}}


def release(number: int, *mounts: Mount) -> Release:
    return cases.release(number, volumes=mounts or (DATA,))


ONE, TWO = replica(1, **ALONE), fresh(2, **ALONE)
SERVING = desired(current=release(1))
SECOND = desired(current=release(1), candidate=release(2))
SERVES = route(upstream(ONE))
DRAINS, NOTHING = (msgspec.structs.replace(one, asleep=True) for one in (route(upstream(ONE, drained_ago=1)), route()))
FAILED: dict[str, Any] = {"failed": frozenset({"dep_2"})}
DEAD: dict[str, Any] = {"state": ReplicaState.EXITED, "exit_code": 1}
STARTING: dict[str, Any] = {"health": Health.STARTING}
CREATED: dict[str, Any] = {"state": ReplicaState.CREATED, "health": Health.STARTING, "up_since": None, "starts": 0}
IDLE: dict[str, Any] = {"routers": (Router(id="rtr_1", revision=3, sessions={ONE.upstream: 0}),)}


@pytest.mark.parametrize(
    ("wish", "view", "due"),
    [
        # The old one leaves the route, drains and goes; only then is the new one made.
        (SECOND, seen(ONE, route=SERVES), ["PublishRoute"]),
        (SECOND, seen(ONE, route=DRAINS), []),
        (SECOND, seen(ONE, route=DRAINS, **IDLE), ["Retire"]),
        (SECOND, seen(replica(1, **ALONE, leaving=True), route=DRAINS), ["Retire"]),
        (SECOND, seen(route=NOTHING), ["CreateReplica"]),
        (SECOND, seen(fresh(2, **ALONE, **CREATED), route=NOTHING), ["StartReplica"]),
        (SECOND, seen(TWO, route=NOTHING), ["PublishRoute"]),
        (SECOND, seen(TWO, route=route(upstream(TWO))), ["ProbeProxy"]),
        (SECOND, seen(TWO, route=route(upstream(TWO)), proved=frozenset({2})), ["AnnounceLive"]),
        # It failed: it is gone before the old release comes back, in whichever place it was.
        (SECOND, seen(fresh(2, **ALONE, **DEAD), route=NOTHING), ["FailCandidate"]),
        (SECOND, seen(fresh(2, **ALONE, **DEAD), route=NOTHING, **FAILED), ["Retire"]),
        (SECOND, seen(TWO, route=route(upstream(TWO)), **FAILED), ["PublishRoute"]),
        (SECOND, seen(route=NOTHING, **FAILED), ["CreateReplica"]),
        (SECOND, seen(replica(1, **ALONE), route=NOTHING, **FAILED), ["PublishRoute"]),
        (SERVING, seen(TWO, route=NOTHING), ["Retire"]),
        (SERVING, seen(fresh(2, **ALONE, **CREATED), replica(1, **ALONE, **CREATED), route=NOTHING), ["Retire"]),
        # A restart, and what was left behind by the one before.
        (changed(SERVING, restart=1), seen(ONE, route=SERVES), ["PublishRoute"]),
        (changed(SERVING, restart=1), seen(ONE, route=DRAINS, **IDLE), ["Retire"]),
        (changed(SERVING, restart=1), seen(route=NOTHING), ["CreateReplica"]),
        # Nobody knows whether the old one is wanted: it goes on serving, and is healed.
        (SECOND, seen(ONE, route=SERVES, may_remove=False), []),
        (SECOND, seen(replica(1, **ALONE, **DEAD), route=NOTHING, may_remove=False), ["StartReplica"]),
        # It was gone when the bus went away: one of the two is made.
        (SECOND, seen(route=NOTHING, may_remove=False), ["CreateReplica"]),
        # What dies in its place is started again there.
        (SERVING, seen(replica(1, **ALONE, **DEAD), route=NOTHING), ["StartReplica"]),
        # One writer, whatever number is asked for.
        (changed(SERVING, replicas=3), seen(ONE, route=SERVES, said_settled=(1, 5)), []),
        # Shared by all, or of one of the two alone: no downtime.
        (
            changed(SECOND, current=release(1, SHARED), candidate=release(2, SHARED)),
            seen(replica(1, **TOGETHER), route=SERVES),
            ["CreateReplica"],
        ),
        (changed(SECOND, current=cases.release(1)), seen(replica(1), route=SERVES), ["CreateReplica"]),
        (changed(SECOND, candidate=cases.release(2)), seen(ONE, route=SERVES), ["CreateReplica"]),
        # It begins to be shared, or ends to be: the one that wants it alone decides.
        (changed(SECOND, candidate=release(2, SHARED)), seen(ONE, route=SERVES), ["PublishRoute"]),
        (changed(SECOND, current=release(1, SHARED)), seen(replica(1, **TOGETHER), route=SERVES), ["PublishRoute"]),
        # Paused: it goes on, drains and goes; after a failure it is made again and paused.
        (
            changed(SECOND, intent=Intent.PAUSED),
            seen(replica(1, **ALONE, state=ReplicaState.PAUSED), route=DRAINS, **IDLE),
            ["Unpause"],
        ),
        (changed(SECOND, intent=Intent.STOPPED), seen(ONE, route=DRAINS, **IDLE), ["Retire"]),
    ],
)
def test_what_is_due(wish: Desired, view: Seen, due: list[str]) -> None:
    assert names(wish, view) == due


def test_what_somebody_reads_still_goes_later_and_keeps_nobody_waiting() -> None:
    """The copy before a restore, of which an archive is being read."""
    wish = changed(SERVING, copies={"vol_1": 2})
    has_new = replica(1, copies={"vol_1": 2}, writes=frozenset({"vol_1"}))
    assert names(wish, seen(has_new, route=route(upstream(has_new)))) == ["PurgeVolume", "AnnounceSettled"]
    assert names(wish, seen(ONE, route=SERVES)) == ["AnnounceSettled"]


def test_connections_are_waited_for_a_short_time() -> None:
    view = seen(replica(1, **ALONE, drain_seconds=600.0), route=DRAINS)
    assert waits(SECOND, view) == [NOW.engine + 4]
    assert names(SECOND, view, later(4)) == ["Retire"]
    assert names(SECOND, seen(replica(1, **ALONE, drain_seconds=0.5), route=DRAINS)) == ["Retire"]


def test_requests_are_held_while_one_goes_and_the_other_comes() -> None:
    (told,) = [step.route for step in plan(SECOND, seen(ONE, route=SERVES), NOW) if isinstance(step, PublishRoute)]
    assert [one.draining_since is None for one in told.upstreams] == [False]
    assert told.asleep
    (told,) = [step.route for step in plan(SECOND, seen(TWO, route=NOTHING), NOW) if isinstance(step, PublishRoute)]
    assert not told.asleep


def _after(wish: Desired, view: Seen, step: object, *, fails: bool) -> tuple[Desired, Seen]:
    """The world once a step was taken; what fails does so when it is started."""
    known = {one.id: one for one in view.replicas}
    match step:
        case CreateReplica(key=key):
            known[f"{key}"] = _made(key)
        case StartReplica(container=container):
            is_new = known[container].key.release == 2
            known[container] = msgspec.structs.replace(known[container], **(DEAD if fails and is_new else _HEALTHY))
        case Unpause(container=container) | PauseReplica(container=container):
            state = ReplicaState.RUNNING if isinstance(step, Unpause) else ReplicaState.PAUSED
            known[container] = msgspec.structs.replace(known[container], state=state)
        case Retire(container=container):
            del known[container]
        case FailCandidate(release=number):
            return changed(wish, candidate=None), msgspec.structs.replace(view, failed=frozenset({f"dep_{number}"}))
        case PublishRoute(route=published):
            routers = (Router(id="rtr_1", revision=published.revision, sessions={up.name: 0 for up in published.upstreams}),)
            return wish, msgspec.structs.replace(view, route=published, routers=routers)
    return wish, msgspec.structs.replace(view, replicas=tuple(known.values()))


_HEALTHY: dict[str, Any] = {"state": ReplicaState.RUNNING, "health": Health.HEALTHY, "up_since": NOW.engine, "starts": 1}


def _made(key: Key) -> Replica:
    return replica(key.release, key.slot, key.restart, id=f"{key}", **ALONE, **CREATED)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("intent", [Intent.RUNNING, Intent.PAUSED])
def test_from_any_order_of_steps_there_is_never_a_second_writer(intent: Intent, *, fails: bool) -> None:
    """Walk the plan with its first or its last step at each turn: at most one container holds the volume, and the right one ends up."""
    for choice in itertools.product((0, -1), repeat=4):
        wish, view = changed(SECOND, intent=intent), seen(ONE, route=SERVES)
        for turn in range(40):
            due = [step for step in plan(wish, view, NOW) if type(step).__name__ in _TAKEN]
            if not due:
                break
            wish, view = _after(wish, view, due[choice[turn % 4]], fails=fails)
            assert len(view.replicas) <= 1
        assert [(one.key.release, one.running or one.paused) for one in view.replicas] == [(1 if fails else 2, True)]


_TAKEN = {"CreateReplica", "StartReplica", "Retire", "FailCandidate", "PublishRoute", "Unpause", "PauseReplica"}
