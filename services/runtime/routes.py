"""Which replicas the proxy is to send requests to. Pure."""

from datetime import timedelta

import msgspec

from libs.common import clock
from libs.common.messages.api import Desired
from libs.common.messages.runtime import Route, Upstream
from libs.common.states import Intent
from services.runtime.clock import Now
from services.runtime.replica import KEPT, Generation, Health, Replica
from services.runtime.seen import Seen
from services.runtime.targets import Target, making_way, members


def route_of(desired: Desired, seen: Seen, targets: tuple[Target, ...], now: Now) -> Route:
    """Return the route that there should be, with the revision that it gets if it must be written.

    The first of an app has the time as its revision: where the bus forgot the ones before, routers may still serve by them.
    """
    gone = desired.intent == Intent.DELETED
    before = seen.route.revision if seen.route else int(now.wall.timestamp() * 1000)
    return Route(
        app_id=desired.app_id,
        slug=desired.slug,
        revision=1 + max([before, *(router.revision for router in seen.routers)]),
        hosts=() if gone else desired.hosts,
        former_hosts=desired.hosts if gone else (),
        upstreams=() if gone else _upstreams(seen, targets, now),
        front=None if gone else desired.front,
        paused=not gone and _stands_still(seen, targets),
        asleep=not gone and _sleeps(seen, targets, now),
    )


def must_write(route: Route, seen: Seen) -> bool:
    """The last one written says something else, or got lost, or a router knows a later one."""
    last = seen.route
    if last is None or not seen.stored or any(router.revision > last.revision for router in seen.routers):
        return True
    return msgspec.structs.replace(last, revision=route.revision) != route


def front_of(seen: Seen, targets: tuple[Target, ...]) -> Generation | None:
    """Return the generation that new requests go to.

    A candidate takes over when all of its replicas are healthy, those of other processes too, the current release at once when nothing
    else serves; it stays as long as one of them lives. What serves goes on until a target takes over, unless that waits for its volumes.
    None is to take over while all rest.
    """
    resting = {target.generation.release for target in targets if target.at_rest}
    going = {replica.id for replica in making_way(targets, seen)}
    fit = [replica for replica in seen.replicas if replica.id not in going and replica.key.release not in resting]
    serving = {replica.key.generation for replica in fit if _serves(replica, seen)}
    for target in targets:
        if target.at_rest:
            continue
        count = len(ready(target, seen))
        whole = count >= target.count and (not target.candidate or others_are_up(target, seen))
        if whole or (count and (target.generation in serving or (not target.candidate and not serving))):
            return target.generation
    well = {replica.key.generation for replica in fit if _serves(replica, seen) and is_healthy(replica, seen)}
    return None if all(target.at_rest for target in targets) else max(well or serving, default=None)


def _stands_still(seen: Seen, targets: tuple[Target, ...]) -> bool:
    """Nothing takes requests, for what is to is paused: by its owner, or by hand."""
    if not targets or front_of(seen, targets) is not None:
        return False
    return any(target.frozen or any(replica.paused for replica in _takers(target, seen)) for target in targets)


def _sleeps(seen: Seen, targets: tuple[Target, ...], now: Now) -> bool:
    """Requests are held: the app sleeps, or it is being woken and no start of it failed so often that the next one has to wait.

    So they are while one replica makes way for another that needs its volumes.
    """
    if front_of(seen, targets) is not None:
        return False
    if making_way(targets, seen) or any(target.asleep and not target.frozen for target in targets):
        return True
    is_waking = seen.route is not None and seen.route.asleep
    return is_waking and any(_comes_up(target, seen, now) for target in targets if not target.at_rest)


def _comes_up(target: Target, seen: Seen, now: Now) -> bool:
    return all(seen.retry_at.get(key, 0) <= now.engine for key in target.places() if key.is_web)


def _takers(target: Target, seen: Seen) -> list[Replica]:
    """Return the target's containers that requests may go to."""
    return [replica for replica in members(target, seen).values() if replica.key.is_web]


def others_are_up(target: Target, seen: Seen) -> bool:
    """Every container of a process beside `web` is there and healthy."""
    there = members(target, seen)
    found = [there.get(key) for key in target.places() if not key.is_web]
    return all(replica is not None and replica.serves and is_healthy(replica, seen) for replica in found)


def ready(target: Target, seen: Seen) -> list[Replica]:
    """Return the replicas of the target that may get requests: the healthy ones, or, when there is none, the ones that had been."""
    running = [replica for replica in _takers(target, seen) if replica.serves]
    healthy = [replica for replica in running if is_healthy(replica, seen)]
    return healthy or [replica for replica in running if replica.health == Health.UNHEALTHY and _fronts(replica, seen)]


def is_healthy(replica: Replica, seen: Seen) -> bool:
    """Probed with success; one that ran before this process did is taken for healthy if the route trusts it.

    What takes no requests is in no route: the engine keeps it, once it was healthy.
    """
    if replica.health == Health.UNSEEN:
        return _is_trusted(replica, seen) if replica.key.is_web else replica.policy == KEPT
    return replica.health == Health.HEALTHY


def _is_trusted(replica: Replica, seen: Seen) -> bool:
    """It gets new requests, or is of an app that gets none: what drains beside others may have been sick."""
    upstreams = seen.route.upstreams if seen.route else ()
    return _fronts(replica, seen) or (seen.upstream(replica) is not None and all(one.draining_since for one in upstreams))


def _fronts(replica: Replica, seen: Seen) -> bool:
    upstream = seen.upstream(replica)
    return upstream is not None and upstream.draining_since is None


def _serves(replica: Replica, seen: Seen) -> bool:
    """It gets new requests now, and may go on until something better is there."""
    fit = replica.serves and replica.health != Health.STARTING
    return fit and replica.deployment_id not in seen.failed and _fronts(replica, seen)


def _upstreams(seen: Seen, targets: tuple[Target, ...], now: Now) -> tuple[Upstream, ...]:
    front = front_of(seen, targets)
    chosen = _chosen(front, seen, targets)
    names = {replica.upstream for replica in chosen}
    leaving = [replica for replica in _ordered(seen.replicas) if replica.upstream not in names and _drains(replica, seen)]
    return tuple([_upstream(replica, None) for replica in chosen] + [_upstream(replica, _since(replica, seen, now)) for replica in leaving])


def _chosen(front: Generation | None, seen: Seen, targets: tuple[Target, ...]) -> list[Replica]:
    """Those of its places; where none of these is fit, whoever of the generation serves: fewer are wanted, but not none."""
    for target in targets:
        if target.generation == front and (fit := ready(target, seen)):
            return _ordered(fit)
    going = {replica.id for replica in making_way(targets, seen)}
    there = [replica for replica in seen.replicas if replica.key.generation == front and replica.id not in going]
    serving = [replica for replica in there if _serves(replica, seen)]
    return _ordered([replica for replica in serving if is_healthy(replica, seen)] or serving)


def _drains(replica: Replica, seen: Seen) -> bool:
    """It keeps the sessions that it has. A failed release keeps none; one that was started anew has none."""
    return (
        (replica.running or replica.paused)
        and replica.health != Health.STARTING
        and replica.deployment_id not in seen.failed
        and seen.upstream(replica) is not None
    )


def _since(replica: Replica, seen: Seen, now: Now) -> str:
    upstream = seen.upstream(replica)
    return (upstream.draining_since if upstream else None) or clock.rfc3339(now.wall)


def _upstream(replica: Replica, draining_since: str | None) -> Upstream:
    return Upstream(name=replica.upstream, address=replica.address, port=replica.port, draining_since=draining_since)


def _ordered(replicas: list[Replica] | tuple[Replica, ...]) -> list[Replica]:
    return sorted(replicas, key=lambda replica: replica.key)


def drained_in(replica: Replica, seen: Seen, now: Now) -> float:
    """Return the seconds until the replica may be stopped: 0 when no router has a session to it, or its time is over.

    For a replica that gets new requests there is no such moment: infinity.
    """
    upstream = seen.upstream(replica)
    if upstream is None:
        return 0
    if upstream.draining_since is None:
        return float("inf")
    idle = seen.applied_by_all() and all(router.sessions.get(upstream.name) == 0 for router in seen.routers)
    since = max(clock.parse(upstream.draining_since), clock.parse(replica.thawed or upstream.draining_since))
    until = since + timedelta(seconds=replica.drain_seconds)
    return 0 if idle else max(0.0, (until - now.wall).total_seconds())
