"""The plan: from what is wanted and what is seen to the steps that are due now. Pure, printable; `docs/states.md` has the table.

Called again whenever something changed, so it never looks further than what can be done at once. Steps of one plan do not depend
on each other; those that work on one thing share a `job`, and the second waits.
"""

import msgspec

from libs.common.messages.api import Desired
from libs.common.messages.runtime import Route
from libs.common.states import Intent, ReplicaState
from services.runtime.clock import Now
from services.runtime.failing import failing
from services.runtime.replica import KEPT, Health, Key, Replica
from services.runtime.resting import drains, lay_down
from services.runtime.routes import drained_in, front_of, is_healthy, must_write, others_are_up, route_of
from services.runtime.runs.plan import plan_runs
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
    PurgeVolume,
    RemoveNetwork,
    Retire,
    StartReplica,
    Step,
    Unpause,
    UpdateLimits,
    Wait,
)
from services.runtime.targets import Target, holders, making_way, members, others, pending, targets_of
from services.runtime.volumes.mounting import purges

SHORT_DRAIN = 5.0
"""Seconds that a replica keeps its connections when another waits for its volumes: nothing takes new requests meanwhile."""
_ALIVE = {ReplicaState.RUNNING, ReplicaState.PAUSED}


def plan(desired: Desired, seen: Seen, now: Now) -> list[Step]:
    """Return the steps that are due, in the order of importance; empty or `Wait`s alone: nothing to do at present."""
    if (later := _ahead(desired, seen)) is not None:
        return [] if seen.said_ahead == later else [AnnounceAhead(*later)]
    if desired.intent == Intent.DELETED:
        return _delete(desired, seen, now)
    return _plan_replicas(desired, seen, now) + plan_runs(desired, seen, now)


def _plan_replicas(desired: Desired, seen: Seen, now: Now) -> list[Step]:
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
    steps += purges(desired, seen)
    return steps + _settle(desired, seen, targets, now) if _quiet(steps) else steps


def _ahead(desired: Desired, seen: Seen) -> tuple[int, int] | None:
    """The rank of what was made under a later wish than this one: the database was put back, and nothing is done until somebody decides."""
    latest = max([*(replica.rank for replica in seen.replicas), *(runner.rank for runner in seen.runners)], default=(0, 0))
    return latest if latest > (desired.epoch, desired.revision) else None


def _quiet(steps: list[Step]) -> bool:
    """Nothing is changed any more. Data that somebody still holds, a reader of an archive perhaps, may take long to go."""
    return all(isinstance(step, Probe | PurgeVolume) for step in steps)


def _network(desired: Desired, seen: Seen) -> list[Step]:
    """The project's network comes ahead of the first release, so that no deploy waits for it."""
    is_idle = desired.intent == Intent.STOPPED and pending(desired, seen) is None
    return [] if seen.network or is_idle else [EnsureNetwork(desired.project_id)]


def _bring_up(target: Target, seen: Seen, now: Now) -> list[Step]:
    there = members(target, seen)
    steps: list[Step] = []
    for key in target.places():
        replica = there.get(key)
        if replica is None:
            steps += _create(key, seen, now)
        elif target.asleep and key.is_web and not replica.leaving:
            steps += lay_down(replica, target, seen, now)
        else:
            steps += _advance(replica, target, seen, now)
    if not holders(target, seen):
        return steps
    # A volume has one writer, and that is there still.
    return [step for step in steps if not isinstance(step, CreateReplica | StartReplica)]


def _create(key: Key, seen: Seen, now: Now) -> list[Step]:
    if not seen.network:
        return []
    return _after_pause(key, seen, now) or [CreateReplica(key)]


def _advance(replica: Replica, target: Target, seen: Seen, now: Now) -> list[Step]:
    """The next step of one wanted replica on its way to being healthy and staying so."""
    if replica.leaving or replica.state == ReplicaState.DEAD:
        return [Retire(replica.id)] if seen.may_remove else [Wait(0, f"{replica.key} is to be replaced, and nothing is removed")]
    if replica.running and not replica.resting:
        return [_probe(replica, target)]
    if replica.running or replica.state in {ReplicaState.CREATED, ReplicaState.EXITED}:
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
    check = target.release.health_check if replica.key.is_web else None
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
        if replica.leaving or replica.resting or replica.state not in _ALIVE:
            continue
        serves = not target.candidate and not (target.asleep and replica.key.is_web)
        if replica.policy != KEPT and serves and replica.health in {Health.HEALTHY, Health.UNSEEN}:
            steps.append(KeepRunning(replica.id))
        if replica.limits != (limits := desired.size_of(replica.key.process).limits):
            steps.append(UpdateLimits(replica.id, limits))
    return steps


def _retire(desired: Desired, seen: Seen, targets: tuple[Target, ...], now: Now) -> list[Step]:
    """What holds no wanted place drains and goes; absence of knowledge removes nothing."""
    extra = others(targets, seen)
    if not extra:
        return []
    if not seen.may_remove:
        return [Wait(0, "desired is not complete, or the lease not sure: nothing is removed")]
    # Until the API has taken notice that the candidate is live, the release before it could still be wanted back.
    undecided = (
        desired.current.number if desired.current and desired.intent != Intent.STOPPED and pending(desired, seen) and targets else None
    )
    going = {replica.id for replica in making_way(targets, seen)}
    steps: list[Step] = []
    for replica in extra:
        if replica.id in going:
            steps += _let_go(msgspec.structs.replace(replica, drain_seconds=min(replica.drain_seconds, SHORT_DRAIN)), seen, now)
        elif (replica.key.release != undecided and not _holds_on(replica, targets, seen)) or replica.leaving:
            steps += _let_go(replica, seen, now)
    return steps


def _holds_on(replica: Replica, targets: tuple[Target, ...], seen: Seen) -> bool:
    """It takes no requests, so no route says when the restarted ones have taken over: they have when all of them are up."""
    if replica.key.is_web or not replica.running:
        return False
    there = [target for target in targets if target.release.number == replica.key.release and not target.frozen]
    return any(_waits_for(target, replica, seen) for target in there)


def _waits_for(target: Target, replica: Replica, seen: Seen) -> bool:
    """One that a restart replaces waits for all; one too many, that does its work, for one that does."""
    count = target.beside.get(replica.key.process, 0)
    if target.generation > replica.key.generation and replica.key.slot < count:
        return not others_are_up(target, seen)
    if not count or not is_healthy(replica, seen):
        return False
    there = [one for one in members(target, seen).values() if one.key.process == replica.key.process]
    return not any(one.serves and is_healthy(one, seen) for one in there)


def _let_go(replica: Replica, seen: Seen, now: Now) -> list[Step]:
    if replica.paused and not replica.leaving:
        return [Unpause(replica.id)]
    seconds = 0.0 if replica.leaving or not replica.running else drained_in(replica, seen, now)
    if seconds == 0:
        return [Retire(replica.id)]
    return [drains(replica, seconds, now)]


def _settle(desired: Desired, seen: Seen, targets: tuple[Target, ...], now: Now) -> list[Step]:
    """Say that all is as wanted, once a revision."""
    done = (desired.epoch, desired.revision)
    if desired.candidate is not None or seen.busy or seen.said_settled == done:
        return []
    wanted = [(target, target.places(awake=True)) for target in targets]
    running = [
        one for target, keys in wanted for key, one in members(target, seen).items() if key in keys and _is_as_wanted(one, target, seen)
    ]
    if len(running) < sum(len(keys) for _, keys in wanted):
        return []
    if not seen.applied(now):
        return [Wait(now.engine + 1, "routers apply the route")]
    return [AnnounceSettled(desired.epoch, desired.revision, len(running))]


def _is_as_wanted(replica: Replica, target: Target, seen: Seen) -> bool:
    """It was well, and the engine is not starting it again. Of what stands still, as it is to, nobody learns how it is."""
    return (is_healthy(replica, seen) and replica.state in _ALIVE) or (target.frozen and replica.paused)


def _delete(desired: Desired, seen: Seen, now: Now) -> list[Step]:
    """Route first, then containers, then data that is to be destroyed, then the network where it was the project's last, then the word."""
    route = route_of(desired, seen, (), now)
    if must_write(route, seen):
        return [PublishRoute(route)]
    if not seen.may_remove or not seen.applied(now):
        return [Wait(now.engine + 1 if seen.may_remove else 0, "routers forget the route; desired may be incomplete")]
    if seen.replicas or seen.runners or seen.busy:
        return [*(Retire(replica.id, keep_words=False) for replica in seen.replicas), *plan_runs(desired, seen, now)]
    if due := purges(desired, seen):
        return due
    if seen.network and seen.last_in_project:
        return [RemoveNetwork(desired.project_id)]
    return [] if seen.said_removed else [AnnounceRemoved()]
