"""The plan: from what is wanted and what is seen to the steps that are due now. Pure, printable; `docs/states.md` has the table.

Called again whenever something changed, so it never looks further than what can be done at once. Steps of one plan do not depend
on each other; those that work on one thing share a `job`, and the second waits.
"""

from libs.common.messages.api import Desired
from libs.common.messages.runtime import Route
from libs.common.states import Intent, ReplicaState
from services.runtime.clock import Now
from services.runtime.failing import failing
from services.runtime.replica import Health, Key, Replica
from services.runtime.routes import drained_in, front_of, is_healthy, must_write, route_of
from services.runtime.seen import Seen
from services.runtime.steps import (
    AnnounceAhead,
    AnnounceLive,
    AnnounceRemoved,
    AnnounceSettled,
    CreateReplica,
    EnsureNetwork,
    KeepRunning,
    PauseReplica,
    Probe,
    ProbeProxy,
    PublishRoute,
    RemoveNetwork,
    Retire,
    StartReplica,
    Step,
    Unpause,
    UpdateLimits,
    Wait,
)
from services.runtime.targets import Target, members, others, pending, targets_of

KEPT = "unless-stopped"
_ALIVE = {ReplicaState.RUNNING, ReplicaState.PAUSED}


def plan(desired: Desired, seen: Seen, now: Now) -> list[Step]:
    """Return the steps that are due, in the order of importance; empty or `Wait`s alone: nothing to do at present."""
    if (later := _ahead(desired, seen)) is not None:
        return [] if seen.said_ahead == later else [AnnounceAhead(*later)]
    if desired.intent == Intent.DELETED:
        return _delete(desired, seen, now)
    targets = targets_of(desired, seen)
    failed = failing(seen, targets, now)
    if any(not isinstance(step, Wait) for step in failed):
        return failed
    steps = failed + _network(desired, seen)
    for target in targets:
        steps += _bring_up(target, seen, now)
        steps += _freeze(target, desired, seen, now)
    steps += _route(desired, seen, targets, now)
    steps += _go_live(desired, seen, targets)
    for target in targets:
        steps += _keep(target, desired, seen)
    steps += _retire(desired, seen, targets, now)
    return steps + _settle(desired, seen, targets, now) if _quiet(steps) else steps


def _ahead(desired: Desired, seen: Seen) -> tuple[int, int] | None:
    """The rank of what was made under a later wish than this one: the database was put back, and nothing is done until somebody decides."""
    latest = max((replica.rank for replica in seen.replicas), default=(0, 0))
    return latest if latest > (desired.epoch, desired.revision) else None


def _quiet(steps: list[Step]) -> bool:
    return all(isinstance(step, Probe) for step in steps)


def _network(desired: Desired, seen: Seen) -> list[Step]:
    """The project's network comes ahead of the first release, so that no deploy waits for it."""
    return [] if seen.network or desired.intent == Intent.STOPPED else [EnsureNetwork(desired.project_id)]


def _bring_up(target: Target, seen: Seen, now: Now) -> list[Step]:
    there = members(target, seen)
    steps: list[Step] = []
    for key in target.places():
        replica = there.get(key)
        steps += _create(key, seen, now) if replica is None else _advance(replica, target, seen, now)
    return steps


def _create(key: Key, seen: Seen, now: Now) -> list[Step]:
    if not seen.network:
        return []
    return _after_pause(key, seen, now) or [CreateReplica(key)]


def _advance(replica: Replica, target: Target, seen: Seen, now: Now) -> list[Step]:
    """The next step of one wanted replica on its way to being healthy and staying so."""
    if replica.leaving or replica.state == ReplicaState.DEAD:
        return [Retire(replica.id)] if seen.may_remove else []
    if replica.running:
        return [_probe(replica, target)]
    if replica.state in {ReplicaState.CREATED, ReplicaState.EXITED}:
        return _after_pause(replica.key, seen, now) or [StartReplica(replica.id)]
    return []  # the engine restarts or removes it: it says when that is done


def _freeze(target: Target, desired: Desired, seen: Seen, now: Now) -> list[Step]:
    """Pause what is to be paused once no router sends it a request any more; have the rest go on where that was asked for."""
    there = [replica for replica in members(target, seen).values() if not replica.leaving]
    if not target.frozen:
        # Of what nobody asked to pause: somebody did it by hand, and it stays so until somebody asks for the contrary.
        return [Unpause(replica.id) for replica in there if replica.paused and desired.thaw]
    if not seen.applied(now):
        return []
    fit = [replica for replica in there if replica.running and replica.health != Health.STARTING]
    return [PauseReplica(replica.id) for replica in fit if not _is_fronting(replica, seen)]


def _is_fronting(replica: Replica, seen: Seen) -> bool:
    upstream = seen.upstream(replica)
    return upstream is not None and upstream.draining_since is None


def _probe(replica: Replica, target: Target) -> Probe:
    check = target.release.health_check
    return Probe(replica.id, address=replica.address, port=replica.port, check=check, since=replica.up_since or 0)


def _after_pause(key: Key, seen: Seen, now: Now) -> list[Step]:
    until = seen.retry_at.get(key, 0)
    return [Wait(until, f"{key} died and is tried again")] if until > now.engine else []


def _route(desired: Desired, seen: Seen, targets: tuple[Target, ...], now: Now) -> list[Step]:
    route = route_of(desired, seen, targets, now)
    return [PublishRoute(route)] if must_write(route, seen) else []


def _go_live(desired: Desired, seen: Seen, targets: tuple[Target, ...]) -> list[Step]:
    """The candidate has the route: every live router must serve it and answer through it."""
    candidate = pending(desired, seen)
    if candidate is None or candidate.number in seen.said_live or seen.route is None:
        return []
    front = front_of(seen, targets)
    if front is None or front.release != candidate.number or not _has_front(seen.route, targets, seen):
        return []
    if candidate.number in seen.proved:
        return [AnnounceLive(candidate.number)]
    return [ProbeProxy(candidate.number, seen.route.revision)] if seen.applied_by_all() else [Wait(0, "routers apply the route")]


def _has_front(route: Route, targets: tuple[Target, ...], seen: Seen) -> bool:
    """The last route sends new requests to the most wanted target, and to no other."""
    names = {replica.upstream for replica in members(targets[0], seen).values()}
    fronting = {upstream.name for upstream in route.upstreams if upstream.draining_since is None}
    return bool(fronting) and fronting <= names


def _keep(target: Target, desired: Desired, seen: Seen) -> list[Step]:
    """What serves is kept by the engine too, and has the limits of now."""
    steps: list[Step] = []
    for replica in members(target, seen).values():
        if replica.leaving or replica.state not in _ALIVE:
            continue
        if replica.policy != KEPT and not target.candidate and replica.health in {Health.HEALTHY, Health.UNSEEN}:
            steps.append(KeepRunning(replica.id))
        if replica.limits != desired.limits:
            steps.append(UpdateLimits(replica.id, desired.limits))
    return steps


def _retire(desired: Desired, seen: Seen, targets: tuple[Target, ...], now: Now) -> list[Step]:
    """What holds no wanted place drains and goes; absence of knowledge removes nothing."""
    extra = others(targets, seen)
    if not extra:
        return []
    if not seen.may_remove:
        return [Wait(0, "desired is not complete: nothing is removed")]
    # Until the API has taken notice that the candidate is live, the release before it could still be wanted back.
    undecided = (
        desired.current.number if desired.current and desired.intent != Intent.STOPPED and pending(desired, seen) and targets else None
    )
    return [step for replica in extra if replica.key.release != undecided or replica.leaving for step in _let_go(replica, seen, now)]


def _let_go(replica: Replica, seen: Seen, now: Now) -> list[Step]:
    if replica.paused and not replica.leaving:
        return [Unpause(replica.id)]
    seconds = 0.0 if replica.leaving or not replica.running else drained_in(replica, seen, now)
    if seconds == 0:
        return [Retire(replica.id)]
    return [Wait(0 if seconds == float("inf") else now.engine + seconds, f"{replica.key} drains")]


def _settle(desired: Desired, seen: Seen, targets: tuple[Target, ...], now: Now) -> list[Step]:
    """Say that all is as wanted, once a revision."""
    done = (desired.epoch, desired.revision)
    if desired.candidate is not None or seen.busy or seen.said_settled == done:
        return []
    running = [replica for target in targets for replica in members(target, seen).values() if is_healthy(replica, seen)]
    if len(running) < sum(target.count for target in targets):
        return []
    if not seen.applied(now):
        return [Wait(now.engine + 1, "routers apply the route")]
    return [AnnounceSettled(desired.epoch, desired.revision, len(running))]


def _delete(desired: Desired, seen: Seen, now: Now) -> list[Step]:
    """Route first, then containers, then the network where it was the project's last, then the word."""
    route = route_of(desired, seen, (), now)
    if must_write(route, seen):
        return [PublishRoute(route)]
    if not seen.may_remove:
        return [Wait(0, "desired is not complete: nothing is removed")]
    if not seen.applied(now):
        return [Wait(now.engine + 1, "routers forget the route")]
    if seen.replicas or seen.busy:
        return [Retire(replica.id, keep_words=False) for replica in seen.replicas]
    if seen.network and seen.last_in_project:
        return [RemoveNetwork(desired.project_id)]
    return [] if seen.said_removed else [AnnounceRemoved()]
