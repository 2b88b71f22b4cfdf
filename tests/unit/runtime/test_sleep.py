"""Sleeping in the plan: the route holds requests first, then one container lies stopped; a wake starts it."""

import msgspec
import pytest

from libs.common.messages.api import Desired
from libs.common.messages.runtime import Route, Upstream
from libs.common.states import Intent, ReplicaState
from services.runtime.plan import plan
from services.runtime.replica import Health, Replica
from services.runtime.seen import Router, Seen
from services.runtime.steps import PublishRoute
from tests.unit.runtime.cases import NOW, changed, desired, fresh, names, release, replica, route, seen, upstream

WISH = desired(current=release(1), replicas=2)
DEPLOYING = changed(WISH, candidate=release(2))
PAUSED = changed(WISH, intent=Intent.PAUSED)


def lying(number: int = 1, restart: int = 0, **fields: object) -> Replica:
    return replica(number, 0, restart, **{"state": ReplicaState.EXITED, "policy": "no", "resting": True, **fields})


def holding(*upstreams: Upstream, **fields: bool) -> Route:
    return msgspec.structs.replace(route(*upstreams), **{"asleep": True, **fields})


def published(wish: Desired, view: Seen) -> Route:
    (step,) = [step for step in plan(wish, view, NOW) if isinstance(step, PublishRoute)]
    return step.route


SERVING = route(upstream(replica(1)), upstream(replica(1, 1)))
DRAINING = holding(upstream(replica(1), 1), upstream(replica(1, 1), 1))
IDLE = (Router(id="rtr_1", revision=3, sessions={replica(1).upstream: 0, replica(1, 1).upstream: 0}),)
STARTING = {"health": Health.STARTING, "policy": "no"}

CASES: dict[str, tuple[Desired, Seen, list[str]]] = {
    "the route comes first": (WISH, seen(replica(1), replica(1, 1), count=0, route=SERVING), ["PublishRoute"]),
    "sessions are waited for": (WISH, seen(replica(1), replica(1, 1), count=0, route=DRAINING), []),
    "then one is kept and the others go": (
        WISH,
        seen(replica(1), replica(1, 1), count=0, route=DRAINING, routers=IDLE),
        ["PutToSleep", "Retire"],
    ),
    "a router that did not hear of it yet is waited for": (
        WISH,
        seen(replica(1), replica(1, 1), count=0, route=DRAINING, routers=(*IDLE, Router(id="rtr_2", revision=2))),
        [],
    ),
    "without the bus nothing is stopped": (
        WISH,
        seen(replica(1), replica(1, 1), count=0, route=DRAINING, routers=IDLE, may_remove=False),
        [],
    ),
    "what lies is let lie, and settled": (WISH, seen(lying(), count=0, route=holding()), ["AnnounceSettled"]),
    "what is gone is made again, unstarted": (WISH, seen(count=0, route=holding()), ["CreateReplica"]),
    "what was made is told of": (
        WISH,
        seen(lying(resting=False, state=ReplicaState.CREATED), count=0, route=holding()),
        ["PutToSleep"],
    ),
    "what crashed is let lie, too": (WISH, seen(lying(resting=False), count=0, route=holding()), ["PutToSleep"]),
    "what somebody started is stopped again": (WISH, seen(lying(state=ReplicaState.RUNNING), count=0, route=holding()), ["PutToSleep"]),
    "what somebody paused is left so": (
        WISH,
        seen(replica(1, state=ReplicaState.PAUSED), count=0, route=holding(paused=True)),
        ["AnnounceSettled"],
    ),
    "a wake starts it, and holds on": (WISH, seen(lying(), count=1, route=holding()), ["StartReplica"]),
    "a wake to more than one": (WISH, seen(lying(), count=2, route=holding()), ["StartReplica", "CreateReplica"]),
    "started, not healthy: held still": (WISH, seen(replica(1, **STARTING), count=1, route=holding()), []),
    "a decision to sleep leaves what comes up its time": (WISH, seen(replica(1, **STARTING), count=0, route=holding()), []),
    "but no more than that": (WISH, seen(replica(1, **STARTING, up_since=NOW.engine - 61), count=0, route=holding()), ["PutToSleep"]),
    "healthy: routed": (WISH, seen(replica(1, policy="no"), count=1, route=holding()), ["PublishRoute", "KeepRunning"]),
    "a wake in the middle of a drain": (WISH, seen(replica(1), count=1, route=holding(upstream(replica(1), 1))), ["PublishRoute"]),
    "a wake in the middle of a stop": (
        WISH,
        seen(replica(1, resting=True, policy="no"), count=1, route=holding(upstream(replica(1), 1))),
        ["StartReplica"],
    ),
    "a start that failed once is tried again": (
        WISH,
        seen(lying(resting=False), count=1, route=holding(), retry_at={replica(1).key: NOW.engine}),
        ["StartReplica"],
    ),
    "one that has to wait is told": (
        WISH,
        seen(lying(resting=False), count=1, route=holding(), retry_at={replica(1).key: NOW.engine + 1}),
        ["PublishRoute"],
    ),
    "a deploy comes up beside it": (DEPLOYING, seen(lying(), count=0, route=holding()), ["CreateReplica"]),
    "a deploy that is healthy gets the route": (DEPLOYING, seen(lying(), fresh(2), count=0, route=holding()), ["PublishRoute"]),
    "live, it is not laid down before the API knows": (
        DEPLOYING,
        seen(lying(), replica(2), count=0, route=route(upstream(replica(2))), said_live=frozenset({2})),
        [],
    ),
    "then it may sleep, and the older one goes": (
        changed(WISH, current=release(2)),
        seen(lying(), replica(2), count=0, route=route(upstream(replica(2)))),
        ["PublishRoute", "Retire"],
    ),
    "a restart while it sleeps": (changed(WISH, restart=1), seen(lying(), count=0, route=holding()), ["CreateReplica", "Retire"]),
    "a stop": (changed(WISH, intent=Intent.STOPPED), seen(lying(), count=0, route=holding()), ["PublishRoute", "Retire"]),
    "a delete": (changed(WISH, intent=Intent.DELETED), seen(lying(), count=0, route=route(hosts=())), ["Retire"]),
    "a pause wakes nothing": (PAUSED, seen(lying(), count=0, route=holding()), ["PublishRoute"]),
    "paused asleep": (PAUSED, seen(lying(), count=0, route=holding(paused=True, asleep=False)), ["AnnounceSettled"]),
    "a pause in the middle of a drain": (
        PAUSED,
        seen(replica(1), count=0, route=holding(upstream(replica(1), 1), paused=True, asleep=False)),
        ["PauseReplica"],
    ),
    "limits of what lies wait for its start": (
        changed(WISH, limits=msgspec.structs.replace(WISH.limits, memory=64)),
        seen(lying(), count=0, route=holding()),
        ["AnnounceSettled"],
    ),
}


@pytest.mark.parametrize(("wish", "view", "due"), CASES.values(), ids=CASES.keys())
def test_what_is_due(wish: Desired, view: Seen, due: list[str]) -> None:
    assert names(wish, view) == due


def test_the_route_says_it() -> None:
    told = published(WISH, seen(replica(1), replica(1, 1), count=0, route=SERVING))
    assert told.asleep
    assert all(one.draining_since for one in told.upstreams)
    assert not published(WISH, seen(replica(1), count=1, route=DRAINING)).asleep
    assert not published(DEPLOYING, seen(lying(), fresh(2), count=0, route=holding())).asleep
    failed = seen(lying(resting=False), count=1, route=holding(), retry_at={replica(1).key: NOW.engine + 1})
    assert not published(WISH, failed).asleep


def test_a_pause_wins() -> None:
    told = published(PAUSED, seen(lying(), count=0, route=holding()))
    assert told.paused
    assert not told.asleep
