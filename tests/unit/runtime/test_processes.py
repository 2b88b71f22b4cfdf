"""Processes beside `web` in the plan: places of the same generation that take no requests."""

from typing import Any

import msgspec
import pytest

from libs.common.messages.api import Desired, Limits, Size
from libs.common.messages.runtime import Route
from libs.common.states import Intent, ReplicaState
from services.runtime import spec
from services.runtime.replica import Health, Key, Replica
from services.runtime.seen import Seen
from services.runtime.steps import CreateReplica, FailCandidate, Probe, Retire, UpdateLimits
from tests.unit.runtime.cases import desired, fresh, names, release, replica, route, seen, steps, upstream

WORK = {"worker": ("work",)}
ONE, TWO = release(1, processes=WORK), release(2, processes=WORK)
TWICE = desired(current=ONE, processes={"worker": Size(replicas=2)})
ASLEEP = msgspec.structs.replace(route(), asleep=True)
AGAIN = replica(1, 0, 1)
LIVE = desired(current=ONE, processes={"worker": Size()})
DEPLOYING = desired(current=ONE, candidate=TWO, processes={"worker": Size()})
WEB = replica(1)
SERVING = route(upstream(WEB))


def worker(number: int = 1, slot: int = 0, restart: int = 0, **fields: Any) -> Replica:
    key = Key(number, restart, slot, "worker")
    return replica(number, slot, restart, **{"id": f"w{number}{restart}{slot}" * 4, "name": str(key), "key": key, **fields})


def settled(wish: Desired) -> dict[str, Any]:
    return {"said_settled": (wish.epoch, wish.revision)}


def frozen(one: Replica) -> Replica:
    return msgspec.structs.replace(one, state=ReplicaState.PAUSED)


DEAD: dict[str, Any] = {"state": ReplicaState.EXITED, "exit_code": 1}
NEW, OLD = worker(2, policy="no"), worker()
LATER = {OLD.key: 1e9}
RESTARTED = msgspec.structs.replace(LIVE, restart=1)
CASES: dict[str, tuple[Desired, Seen, list[str]]] = {
    "what is missing is made": (LIVE, seen(WEB, route=SERVING), ["CreateReplica"]),
    "it has no place in the route": (LIVE, seen(WEB, OLD, route=SERVING, **settled(LIVE)), []),
    "no size means one": (desired(current=ONE), seen(WEB, route=SERVING), ["CreateReplica"]),
    "none is none": (desired(current=ONE, processes={"worker": Size(replicas=0)}), seen(WEB, OLD, route=SERVING), ["Retire"]),
    "more of it leave web alone": (
        desired(current=ONE, processes={"worker": Size(replicas=2)}),
        seen(WEB, OLD, route=SERVING),
        ["CreateReplica"],
    ),
    "fewer of it, too": (LIVE, seen(WEB, OLD, worker(1, 1), route=SERVING), ["Retire"]),
    "a candidate's web waits for its worker": (DEPLOYING, seen(WEB, OLD, fresh(2), worker(2, health=Health.STARTING), route=SERVING), []),
    "both are up: routed": (DEPLOYING, seen(WEB, OLD, fresh(2), NEW, route=SERVING), ["PublishRoute"]),
    "its worker died": (
        DEPLOYING,
        seen(WEB, OLD, fresh(2), worker(2, state=ReplicaState.EXITED, exit_code=3, policy="no"), route=SERVING),
        ["FailCandidate"],
    ),
    "the old one works on until the API knows": (
        DEPLOYING,
        seen(WEB, OLD, fresh(2), NEW, route=route(upstream(fresh(2)), upstream(WEB, 1)), said_live=frozenset({2}), proved=frozenset({2})),
        ["KeepRunning", "KeepRunning"],
    ),
    "a restarted one waits for the next": (
        RESTARTED,
        seen(AGAIN, OLD, worker(1, 0, 1, health=Health.STARTING), route=route(upstream(AGAIN))),
        [],
    ),
    "and goes when that is up": (
        RESTARTED,
        seen(AGAIN, OLD, worker(1, 0, 1), route=route(upstream(AGAIN))),
        ["Retire"],
    ),
    "fewer of it, of which none works: one goes on": (LIVE, seen(WEB, worker(**DEAD), worker(1, 1), route=SERVING, retry_at=LATER), []),
    "until one does": (LIVE, seen(WEB, OLD, worker(1, 1), route=SERVING, retry_at=LATER), ["Retire"]),
    "paused in mid-restart none goes on": (
        msgspec.structs.replace(RESTARTED, intent=Intent.PAUSED),
        seen(frozen(AGAIN), OLD, frozen(worker(1, 0, 1)), route=msgspec.structs.replace(route(), paused=True)),
        ["Retire"],
    ),
    "an app that sleeps keeps it": (
        LIVE,
        seen(
            replica(1, state=ReplicaState.EXITED, policy="no", resting=True),
            OLD,
            count=0,
            route=ASLEEP,
            **settled(LIVE),
        ),
        [],
    ),
    "one that crash loops leaves web in the route": (
        LIVE,
        seen(WEB, worker(state=ReplicaState.EXITED), route=SERVING, retry_at={OLD.key: 1e9}),
        [],
    ),
}


@pytest.mark.parametrize(("wish", "view", "expected"), CASES.values(), ids=CASES)
def test_steps(wish: Desired, view: Seen, expected: list[str]) -> None:
    assert names(wish, view) == expected


def test_which_ones() -> None:
    """A step about a worker names it, and its limits are its own."""
    wish = desired(current=ONE, processes={"worker": Size(replicas=2, limits=Limits(memory=64))})
    due = steps(wish, seen(WEB, OLD, route=SERVING))
    assert [step for step in due if isinstance(step, CreateReplica | UpdateLimits | Retire)] == [
        CreateReplica(Key(1, 0, 1, "worker")),
        UpdateLimits(OLD.id, Limits(memory=64)),
    ]
    assert [step.check is None for step in due if isinstance(step, Probe)] == [False, True]


def test_a_failure_names_the_process() -> None:
    dead = worker(2, state=ReplicaState.EXITED, exit_code=3)
    (failed,) = steps(DEPLOYING, seen(WEB, OLD, fresh(2), dead, route=SERVING))
    assert failed == FailCandidate(2, "container_exited", "The process worker exited with code 3 before it was live.", dead.id)


@pytest.mark.parametrize("process", ["web", "worker", "mail-out"])
def test_names_are_read_back(process: str) -> None:
    assert spec.process_of(spec.container_name("app_0192", Key(12, 3, 4, process))) == process


def test_an_app_that_is_gone_has_no_worker_in_its_last_route() -> None:
    assert not any("worker" in one.name for one in _route(steps(LIVE, seen(WEB, OLD))).upstreams)


def _route(due: list[Any]) -> Route:
    (found,) = [step.route for step in due if hasattr(step, "route")]
    assert isinstance(found, Route)
    return found
