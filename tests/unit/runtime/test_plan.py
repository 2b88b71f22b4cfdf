"""The plan as a table: what is wanted and seen, and the steps that are due."""

import msgspec
import pytest

from libs.common.messages.api import Desired, Limits
from libs.common.states import Intent, ReplicaState
from services.runtime.replica import Health, Key
from services.runtime.seen import Router, Seen, Trouble
from services.runtime.steps import AnnounceAhead, AnnounceSettled, CreateReplica, FailCandidate, PublishRoute, Retire, Wait
from tests.unit.runtime.cases import (
    NOW,
    changed,
    desired,
    fresh,
    later,
    names,
    release,
    replica,
    route,
    seen,
    steps,
    upstream,
    waits,
)

ONE, TWO = replica(1), fresh(2)
OLD_SERVES = route(upstream(ONE))
FEWER = replica(1, 1)
UNSEEN, SICK = (replica(1, slot, health=Health.UNSEEN) for slot in (0, 1))
STRANGE = replica(2, id="strange" * 2, deployment_id="dep_before")
SWITCHED = route(upstream(TWO), upstream(ONE, drained_ago=1))
FIRST = desired(candidate=release(1))
SECOND = desired(current=release(1), candidate=release(2))
SERVING = desired(current=release(1))
DONE = {"said_settled": (1, 5)}
CREATED = {"state": ReplicaState.CREATED, "health": Health.STARTING, "up_since": None, "starts": 0}
STARTING = {"health": Health.STARTING}
DEAD = {"state": ReplicaState.EXITED, "exit_code": 1}
NEW = fresh(1, **STARTING)


@pytest.mark.parametrize(
    ("wish", "view", "due"),
    [
        # The way of a first deploy.
        (desired(), seen(network=False), ["EnsureNetwork", "PublishRoute"]),
        (FIRST, seen(network=False, route=route()), ["EnsureNetwork"]),
        (FIRST, seen(route=route()), ["CreateReplica"]),
        (changed(FIRST, replicas=2), seen(route=route()), ["CreateReplica", "CreateReplica"]),
        (FIRST, seen(fresh(1, **CREATED), route=route()), ["StartReplica"]),
        (FIRST, seen(NEW, route=route()), []),
        (FIRST, seen(fresh(1), route=route()), ["PublishRoute"]),
        (changed(FIRST, replicas=2), seen(fresh(1), fresh(1, 1, **STARTING), route=route()), []),
        (FIRST, seen(fresh(1), route=route(upstream(ONE)), routers=()), []),
        (FIRST, seen(fresh(1), route=route(upstream(ONE)), routers=(Router(id="a", revision=2),)), []),
        (FIRST, seen(fresh(1), route=route(upstream(ONE))), ["ProbeProxy"]),
        (FIRST, seen(fresh(1), route=route(upstream(ONE)), proved=frozenset({1})), ["AnnounceLive"]),
        (FIRST, seen(fresh(1), route=route(upstream(ONE)), proved=frozenset({1}), said_live=frozenset({1})), ["KeepRunning"]),
        (SERVING, seen(fresh(1), route=route(upstream(ONE))), ["KeepRunning"]),
        (SERVING, seen(ONE, route=OLD_SERVES), ["AnnounceSettled"]),
        (SERVING, seen(ONE, route=OLD_SERVES, **DONE), []),
        (SERVING, seen(ONE, route=OLD_SERVES, busy=True), []),
        # The next one, the old one serving.
        (SECOND, seen(ONE, route=OLD_SERVES), ["CreateReplica"]),
        (SECOND, seen(ONE, fresh(2, **STARTING), route=OLD_SERVES), []),
        (SECOND, seen(ONE, TWO, route=OLD_SERVES), ["PublishRoute"]),
        (SECOND, seen(ONE, TWO, route=SWITCHED), ["ProbeProxy"]),
        (SECOND, seen(ONE, TWO, route=SWITCHED, proved=frozenset({2})), ["AnnounceLive"]),
        # The API has not said that it is current: the old one stays, though it has no session left.
        (SECOND, seen(ONE, TWO, route=SWITCHED, proved=frozenset({2}), said_live=frozenset({2})), ["KeepRunning"]),
        (desired(current=release(2)), seen(ONE, replica(2), route=SWITCHED), []),
        (desired(current=release(2)), seen(replica(2), route=SWITCHED), ["PublishRoute"]),
        # Failures: the old one is routed and stays.
        (SECOND, seen(ONE, fresh(2, **DEAD), route=OLD_SERVES), ["FailCandidate"]),
        (SECOND, seen(ONE, fresh(2, **DEAD), route=OLD_SERVES, failed=frozenset({"dep_2"})), ["Retire"]),
        (SECOND, seen(ONE, fresh(2, **{**CREATED, "start_error": "no such file"}), route=OLD_SERVES), ["FailCandidate"]),
        (SECOND, seen(ONE, route=OLD_SERVES, trouble=Trouble(release=2, code="image_not_found", message="gone")), ["FailCandidate"]),
        (SECOND, seen(ONE, TWO, route=SWITCHED, failed=frozenset({"dep_2"})), ["PublishRoute"]),
        (SECOND, seen(ONE, TWO, route=SWITCHED, routed_since=NOW.engine - 91), ["FailCandidate"]),
        (SECOND, seen(ONE, fresh(2, **{**DEAD, "exit_code": 137}), route=OLD_SERVES), ["StartReplica"]),
        (SECOND, seen(ONE, fresh(2, **{**DEAD, "exit_code": 137, "starts": 2}), route=OLD_SERVES), ["FailCandidate"]),
        (SECOND, seen(ONE, fresh(2, **{**DEAD, "excused": True}), route=OLD_SERVES), ["StartReplica"]),
        (SERVING, seen(ONE, TWO, route=OLD_SERVES), ["Retire"]),
        # Scaling and limits.
        (changed(SERVING, replicas=2), seen(ONE, route=OLD_SERVES), ["CreateReplica"]),
        (changed(SERVING, replicas=2), seen(ONE, replica(1, 1, **STARTING), route=OLD_SERVES), []),
        (changed(SERVING, replicas=2), seen(ONE, replica(1, 1), route=OLD_SERVES), ["PublishRoute"]),
        (SERVING, seen(ONE, replica(1, 1), route=route(upstream(ONE), upstream(replica(1, 1)))), ["PublishRoute"]),
        (SERVING, seen(ONE, replica(1, 1), route=route(upstream(ONE), upstream(replica(1, 1), drained_ago=31))), ["Retire"]),
        (changed(SERVING, limits=Limits(memory=64)), seen(ONE, route=OLD_SERVES), ["UpdateLimits"]),
        # Fewer are wanted, of which none is fit: those serve that were to go.
        (SERVING, seen(replica(1, **DEAD), FEWER, route=route(upstream(FEWER)), retry_at={Key(1, 0, 0): NOW.engine + 4}), []),
        (SERVING, seen(ONE, FEWER, route=route(upstream(FEWER))), ["PublishRoute"]),
        # Restart: another generation of the same release, new first.
        (changed(SERVING, restart=1), seen(ONE, route=OLD_SERVES), ["CreateReplica"]),
        (changed(SERVING, restart=1), seen(ONE, replica(1, 0, 1), route=OLD_SERVES), ["PublishRoute"]),
        (changed(SERVING, restart=1), seen(replica(1, 0, 1), route=route(upstream(replica(1, 0, 1)))), ["AnnounceSettled"]),
        # Stop and start.
        (changed(SERVING, intent=Intent.STOPPED), seen(ONE, route=OLD_SERVES), ["PublishRoute"]),
        (changed(SERVING, intent=Intent.STOPPED), seen(ONE, route=route(upstream(ONE, drained_ago=31))), ["Retire"]),
        (changed(SERVING, intent=Intent.STOPPED), seen(route=route()), ["AnnounceSettled"]),
        (changed(SERVING, intent=Intent.STOPPED), seen(network=False, route=route()), ["AnnounceSettled"]),
        (SERVING, seen(ONE, route=route(upstream(ONE, drained_ago=1))), ["PublishRoute"]),
        # Deployed while it is stopped, after somebody removed networks without containers.
        (changed(SECOND, intent=Intent.STOPPED), seen(network=False, route=route()), ["EnsureNetwork"]),
        # Paused, while what serves is no release that is wanted.
        (changed(SERVING, intent=Intent.PAUSED), seen(ONE, TWO, route=route(upstream(TWO))), ["PauseReplica", "PublishRoute"]),
        # A database that was put back gives a number again: who had it first is not taken for the candidate, and goes.
        (SECOND, seen(STRANGE, route=route(upstream(STRANGE))), ["CreateReplica", "CreateReplica"]),
        (SECOND, seen(ONE, STRANGE, route=SWITCHED, proved=frozenset({2})), ["CreateReplica", "PublishRoute", "Retire"]),
        # Delete, in mid-deploy too.
        (changed(SECOND, intent=Intent.DELETED), seen(ONE, TWO, route=OLD_SERVES), ["PublishRoute"]),
        (changed(SECOND, intent=Intent.DELETED), seen(ONE, TWO, route=route(hosts=())), ["Retire", "Retire"]),
        (changed(SECOND, intent=Intent.DELETED), seen(ONE, route=route(hosts=()), routers=(Router(id="a", revision=2),)), []),
        (changed(SECOND, intent=Intent.DELETED), seen(route=route(hosts=()), busy=True), []),
        (changed(SECOND, intent=Intent.DELETED), seen(route=route(hosts=())), ["RemoveNetwork"]),
        (changed(SECOND, intent=Intent.DELETED), seen(route=route(hosts=()), last_in_project=False), ["AnnounceRemoved"]),
        (changed(SECOND, intent=Intent.DELETED), seen(route=route(hosts=()), network=False), ["AnnounceRemoved"]),
        (changed(SECOND, intent=Intent.DELETED), seen(route=route(hosts=()), network=False, said_removed=True), []),
        # Healing.
        (SERVING, seen(route=route()), ["CreateReplica"]),
        (SERVING, seen(route=OLD_SERVES), ["CreateReplica", "PublishRoute"]),
        (SERVING, seen(replica(1, **DEAD), route=OLD_SERVES), ["StartReplica", "PublishRoute"]),
        (SERVING, seen(replica(1, state=ReplicaState.RESTARTING), route=OLD_SERVES), ["PublishRoute"]),
        (SERVING, seen(replica(1, **DEAD), route=route(), retry_at={Key(1, 0, 0): NOW.engine + 4}), []),
        (SERVING, seen(replica(1, **STARTING), route=OLD_SERVES), ["PublishRoute"]),
        (SERVING, seen(replica(1, state=ReplicaState.DEAD), route=route()), ["Retire"]),
        (SERVING, seen(replica(1, health=Health.UNSEEN), route=OLD_SERVES), ["AnnounceSettled"]),
        (SERVING, seen(replica(1, health=Health.UNHEALTHY), route=OLD_SERVES, **DONE), []),
        # Of two that ran before this process did, the one that was out of the route may be sick.
        (changed(SERVING, replicas=2), seen(UNSEEN, SICK, route=route(upstream(UNSEEN), upstream(SICK, 1))), []),
        # Wiped buckets.
        (SERVING, seen(ONE, route=OLD_SERVES, stored=False), ["PublishRoute"]),
        (SERVING, seen(ONE, route=None), ["PublishRoute"]),
        (SERVING, seen(ONE, route=OLD_SERVES, routers=(Router(id="a", revision=9),)), ["PublishRoute"]),
        # What is not known to be complete removes nothing.
        (SERVING, seen(ONE, TWO, route=OLD_SERVES, may_remove=False), []),
        (changed(SERVING, intent=Intent.STOPPED), seen(ONE, route=route(upstream(ONE, drained_ago=99)), may_remove=False), []),
        (changed(SERVING, intent=Intent.DELETED), seen(ONE, route=route(hosts=()), may_remove=False), []),
        (SERVING, seen(route=OLD_SERVES, may_remove=False), ["CreateReplica", "PublishRoute"]),
        # Nor is it settled while all that there is is to be replaced, or started again by the engine: no route leads to it.
        (SERVING, seen(replica(1, leaving=True), route=route(), may_remove=False), []),
        (SERVING, seen(replica(1, state=ReplicaState.DEAD), route=route(), may_remove=False), []),
        (SERVING, seen(replica(1, leaving=True), route=msgspec.structs.replace(route(), asleep=True), count=0, may_remove=False), []),
        (SERVING, seen(replica(1, state=ReplicaState.RESTARTING), route=route()), []),
    ],
)
def test_what_is_due(wish: Desired, view: Seen, due: list[str]) -> None:
    assert names(wish, view) == due


def published(wish: Desired, view: Seen) -> list[tuple[str, bool]]:
    """Return the upstreams of the route that is published: name, and whether it drains."""
    found = next(step for step in steps(wish, view) if isinstance(step, PublishRoute))
    return [(one.name, one.draining_since is not None) for one in found.route.upstreams]


def test_the_switch_lists_the_new_and_drains_the_old() -> None:
    assert published(SECOND, seen(ONE, TWO, route=OLD_SERVES)) == [(TWO.upstream, False), (ONE.upstream, True)]


def test_a_failed_candidate_gives_the_route_back_and_keeps_no_session() -> None:
    assert published(SECOND, seen(ONE, TWO, route=SWITCHED, failed=frozenset({"dep_2"}))) == [(ONE.upstream, False)]


def test_a_dead_replica_leaves_the_route_and_the_living_stay() -> None:
    both = route(upstream(ONE), upstream(replica(1, 1)))
    view = seen(ONE, replica(1, 1, **DEAD), route=both)
    assert published(changed(SERVING, replicas=2), view) == [(ONE.upstream, False)]


def test_an_unhealthy_one_leaves_only_while_another_is_healthy() -> None:
    sick, well = replica(1, 0, health=Health.UNHEALTHY), replica(1, 1)
    both = route(upstream(sick), upstream(well))
    assert published(changed(SERVING, replicas=2), seen(sick, well, route=both)) == [(well.upstream, False), (sick.upstream, True)]


def test_the_revision_is_above_all_that_is_known() -> None:
    view = seen(ONE, TWO, route=OLD_SERVES, routers=(Router(id="a", revision=9),))
    found = next(step for step in steps(SECOND, view) if isinstance(step, PublishRoute))
    assert found.route.revision == 10


def test_with_a_candidate_dead_before_it_is_live_the_old_one_takes_over_again() -> None:
    view = seen(ONE, fresh(2, **DEAD), route=SWITCHED, failed=frozenset({"dep_2"}))
    assert published(SECOND, view) == [(ONE.upstream, False)]


@pytest.mark.parametrize(
    ("sessions", "seconds", "gone"),
    [({ONE.upstream: 2}, 1, False), ({}, 1, False), ({ONE.upstream: 0}, 1, True), ({ONE.upstream: 2}, 31, True)],
)
def test_the_old_one_goes_when_it_has_no_session_or_its_time_is_over(sessions: dict[str, int], seconds: float, gone: bool) -> None:  # noqa: FBT001 - a table
    switched = route(upstream(replica(2)), upstream(ONE, drained_ago=seconds))
    view = seen(ONE, replica(2), route=switched, routers=(Router(id="a", revision=3, sessions=sessions),))
    wish = desired(current=release(2))
    assert (Retire(ONE.id) in steps(wish, view)) is gone
    if not gone:
        assert waits(wish, view) == [NOW.engine + 30 - seconds]


def test_a_candidate_waits_for_its_start_period_and_fails_after_it() -> None:
    view = seen(NEW, route=route())
    assert waits(FIRST, view) == [NOW.engine + 59]
    failed = steps(FIRST, view, later(59))[0]
    assert isinstance(failed, FailCandidate)
    assert failed.code == "health_check_failed"
    assert "60 seconds" in failed.message


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"exit_code": 3}, "container_exited"),
        ({"exit_code": 137, "oom": True}, "out_of_memory"),
        ({"exit_code": 0}, "container_exited"),
    ],
)
def test_an_exit_before_it_is_live_has_its_code(fields: dict[str, object], code: str) -> None:
    failed = steps(FIRST, seen(fresh(1, state=ReplicaState.EXITED, **fields), route=route()))[0]
    assert isinstance(failed, FailCandidate)
    assert failed.code == code


def test_a_paused_candidate_has_no_more_time_than_another() -> None:
    for health in (Health.STARTING, Health.HEALTHY):
        paused = fresh(2, state=ReplicaState.PAUSED, health=health, up_since=NOW.engine - 1)
        assert not [step for step in steps(SECOND, seen(ONE, paused, route=OLD_SERVES)) if isinstance(step, FailCandidate)]
        [failed] = steps(SECOND, seen(ONE, paused, route=OLD_SERVES), later(60))
        assert isinstance(failed, FailCandidate)
        assert (failed.code, failed.container) == ("health_check_failed", paused.id)
        assert "paused" in failed.message


def test_live_but_not_noticed_yet_an_exit_is_healed_and_fails_nothing() -> None:
    view = seen(ONE, fresh(2, **DEAD), route=SWITCHED, proved=frozenset({2}), said_live=frozenset({2}))
    assert names(SECOND, view)[0] == "StartReplica"


def test_while_a_candidate_comes_up_the_old_one_is_healed_where_it_is() -> None:
    wish = changed(SECOND, restart=1)
    created = [step.key for step in steps(wish, seen(ONE, route=OLD_SERVES)) if isinstance(step, CreateReplica)]
    assert created == [Key(2, 1, 0)]


def test_who_has_the_candidates_number_serves_until_the_candidate_is_up_beside_it() -> None:
    """The database was put back to before the first deploy: nothing else serves."""
    strange = replica(1, id="strange" * 2, deployment_id="dep_before")
    made = replica(1, restart=1_000, policy="no")
    due = steps(FIRST, seen(strange, route=route(upstream(strange))))
    assert [step for step in due if not isinstance(step, Wait)] == [CreateReplica(made.key)]
    assert published(FIRST, seen(strange, made, route=route(upstream(strange)))) == [(made.upstream, False), (strange.upstream, True)]
    switched = route(upstream(made), upstream(strange, drained_ago=31))
    view = seen(strange, made, route=switched, said_live=frozenset({1}))
    assert names(FIRST, view) == ["KeepRunning", "Retire"]
    # It stays where it came up, until it is restarted.
    kept = replica(1, restart=1_000)
    assert names(SERVING, seen(kept, route=route(upstream(kept)), **DONE)) == []
    again = steps(changed(SERVING, restart=1), seen(kept, route=route(upstream(kept))))
    assert [step for step in again if isinstance(step, CreateReplica)] == [CreateReplica(Key(1, 1, 0))]


def test_who_has_the_candidates_number_goes_on_when_the_candidate_fails() -> None:
    dead = fresh(2, restart=1_000, **DEAD)
    view = seen(STRANGE, dead, route=route(upstream(STRANGE)), failed=frozenset({"dep_2"}))
    assert names(SECOND, view) == ["CreateReplica", "Retire"]
    assert Retire(dead.id) in steps(SECOND, view)


def test_without_any_router_for_long_a_stop_is_settled_all_the_same() -> None:
    wish = changed(SERVING, intent=Intent.STOPPED)
    view = seen(route=route(), routers=(), routerless_since=NOW.engine - 31)
    assert steps(wish, view) == [AnnounceSettled(1, 5, 0)]
    assert isinstance(steps(wish, seen(route=route(), routers=()))[0], Wait)


def test_a_plan_prints() -> None:
    assert repr(steps(FIRST, seen(route=route()))) == "[CreateReplica(key=Key(release=1, restart=0, slot=0, process='web'))]"


def test_what_was_made_under_a_later_wish_is_left_alone_and_said_once() -> None:
    made_later = seen(replica(1, rank=(1, 6)), replica(2, rank=(1, 9), slot=1), route=OLD_SERVES)
    assert steps(SERVING, made_later) == [AnnounceAhead(1, 9)]
    assert steps(changed(SERVING, intent=Intent.DELETED), made_later) == [AnnounceAhead(1, 9)]
    assert steps(SERVING, msgspec.structs.replace(made_later, said_ahead=(1, 9))) == []
    assert AnnounceAhead not in map(type, steps(changed(SERVING, epoch=2), made_later)), "an epoch that rose is later than any before"
