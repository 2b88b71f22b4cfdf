"""Pausing in the plan: the route first, then the freeze; and back."""

from libs.common.messages.api import Desired
from libs.common.messages.runtime import Route, Upstream
from libs.common.states import Intent, ReplicaState
from services.runtime.plan import plan
from services.runtime.replica import Health, Replica
from services.runtime.seen import Seen
from services.runtime.steps import PublishRoute
from tests.unit.runtime.cases import NOW, changed, desired, fresh, names, release, replica, route, seen, upstream

HAND = desired(current=release(1))
WISH = changed(HAND, intent=Intent.PAUSED)
DEPLOYING = changed(WISH, candidate=release(2))
STOPPED = changed(HAND, intent=Intent.STOPPED)


def frozen(number: int = 1) -> Replica:
    return replica(number, state=ReplicaState.PAUSED)


def at_rest(*upstreams: Upstream) -> Route:
    return Route(app_id="app_1", slug="demo", revision=3, hosts=("demo.localhost",), upstreams=upstreams, paused=True)


def published(wish: Desired, view: Seen) -> Route:
    (step,) = [step for step in plan(wish, view, NOW) if isinstance(step, PublishRoute)]
    return step.route


def test_the_route_comes_first() -> None:
    view = seen(replica(1), route=route(upstream(replica(1))))
    assert names(WISH, view) == ["PublishRoute"]
    told = published(WISH, view)
    assert told.paused
    assert [one.draining_since is not None for one in told.upstreams] == [True]


def test_then_it_is_frozen_and_settled() -> None:
    assert names(WISH, seen(replica(1), route=at_rest(upstream(replica(1), 0)))) == ["PauseReplica"]
    assert names(WISH, seen(frozen(), route=at_rest(upstream(frozen(), 0)))) == ["AnnounceSettled"]


def test_what_was_sick_is_paused_as_well_as_another() -> None:
    sick = replica(1, state=ReplicaState.PAUSED, health=Health.UNHEALTHY)
    assert names(WISH, seen(sick, route=at_rest())) == ["AnnounceSettled"]
    assert names(WISH, seen(replica(1, state=ReplicaState.PAUSED, health=Health.UNSEEN), route=at_rest())) == ["AnnounceSettled"]


def test_unpause_thaws_and_routes_at_once() -> None:
    assert names(changed(HAND, thaw=True), seen(frozen(), route=at_rest(upstream(frozen(), 0)))) == ["Unpause"]
    told = published(HAND, seen(replica(1), route=at_rest(upstream(replica(1), 0))))
    assert not told.paused
    assert [one.draining_since for one in told.upstreams] == [None]


def test_paused_by_hand_is_left_so() -> None:
    view = seen(frozen(), route=route(upstream(frozen())))
    assert names(HAND, view) == ["PublishRoute"]
    assert published(HAND, view).paused
    assert "Unpause" not in names(HAND, seen(frozen(), route=at_rest(upstream(frozen(), 0))))


def test_a_stop_has_it_go_on_first() -> None:
    assert "Unpause" in names(STOPPED, seen(frozen(), route=at_rest(upstream(frozen(), 0))))


def test_a_candidate_takes_over_from_what_is_frozen() -> None:
    view = seen(frozen(), fresh(2), route=at_rest(upstream(frozen(), 0)))
    told = published(DEPLOYING, view)
    assert not told.paused
    assert [one.name for one in told.upstreams if one.draining_since is None] == [fresh(2).upstream]


def test_a_stopped_app_brings_up_its_candidate_alone() -> None:
    assert names(changed(STOPPED, candidate=release(2)), seen(route=route())) == ["CreateReplica"]
