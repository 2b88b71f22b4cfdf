"""Which replicas the proxy is to send requests to. Pure."""

from datetime import timedelta

from libs.common import clock
from libs.common.messages.api import Desired
from libs.common.messages.runtime import Route, Upstream
from libs.common.states import Intent
from services.runtime.clock import Now
from services.runtime.replica import Generation, Health, Replica
from services.runtime.seen import Seen
from services.runtime.targets import Target, members


def route_of(desired: Desired, seen: Seen, targets: tuple[Target, ...], now: Now) -> Route:
    """Return the route that there should be, with the revision that it gets if it must be written."""
    gone = desired.intent == Intent.DELETED
    return Route(
        app_id=desired.app_id,
        slug=desired.slug,
        revision=1 + max([seen.route.revision if seen.route else 0, *(router.revision for router in seen.routers)]),
        hosts=() if gone else desired.hosts,
        upstreams=() if gone else _upstreams(seen, targets, now),
        paused=not gone and _stands_still(seen, targets),
    )


def must_write(route: Route, seen: Seen) -> bool:
    """The last one written says something else, or got lost, or a router knows a later one."""
    last = seen.route
    if last is None or not seen.stored or any(router.revision > last.revision for router in seen.routers):
        return True
    return (last.hosts, last.upstreams, last.slug, last.paused) != (route.hosts, route.upstreams, route.slug, route.paused)


def front_of(seen: Seen, targets: tuple[Target, ...]) -> Generation | None:
    """Return the generation that new requests go to.

    A target takes over when all of its replicas are healthy, the current release at once when nothing else serves; it stays as
    long as one of them lives. What serves goes on until a target takes over.
    """
    frozen = {target.generation.release for target in targets if target.frozen}
    serving = {replica.key.generation for replica in seen.replicas if _serves(replica, seen) and replica.key.release not in frozen}
    for target in targets:
        if target.frozen:
            continue
        count = len(ready(target, seen))
        whole = count >= target.count
        if whole or (count and (target.generation in serving or (not target.candidate and not serving))):
            return target.generation
    return max(serving, default=None) if targets else None


def _stands_still(seen: Seen, targets: tuple[Target, ...]) -> bool:
    """Nothing takes requests, for what is to is paused: by its owner, or by hand."""
    if not targets or front_of(seen, targets) is not None:
        return False
    return any(target.frozen or any(replica.paused for replica in members(target, seen).values()) for target in targets)


def ready(target: Target, seen: Seen) -> list[Replica]:
    """Return the replicas of the target that may get requests: the healthy ones, or, when there is none, the ones that had been."""
    running = [replica for replica in members(target, seen).values() if replica.running and not replica.leaving]
    healthy = [replica for replica in running if is_healthy(replica, seen)]
    return healthy or [replica for replica in running if replica.health == Health.UNHEALTHY and _fronts(replica, seen)]


def is_healthy(replica: Replica, seen: Seen) -> bool:
    """Probed with success; one that ran before this process did is taken for healthy if the route has it."""
    if replica.health == Health.UNSEEN:
        return seen.upstream(replica) is not None
    return replica.health == Health.HEALTHY


def _fronts(replica: Replica, seen: Seen) -> bool:
    upstream = seen.upstream(replica)
    return upstream is not None and upstream.draining_since is None


def _serves(replica: Replica, seen: Seen) -> bool:
    """It gets new requests now, and may go on until something better is there."""
    fit = replica.running and not replica.leaving and replica.health != Health.STARTING
    return fit and replica.key.release not in seen.failed and _fronts(replica, seen)


def _upstreams(seen: Seen, targets: tuple[Target, ...], now: Now) -> tuple[Upstream, ...]:
    front = front_of(seen, targets)
    chosen = _chosen(front, seen, targets)
    names = {replica.upstream for replica in chosen}
    leaving = [replica for replica in _ordered(seen.replicas) if replica.upstream not in names and _drains(replica, seen)]
    return tuple([_upstream(replica, None) for replica in chosen] + [_upstream(replica, _since(replica, seen, now)) for replica in leaving])


def _chosen(front: Generation | None, seen: Seen, targets: tuple[Target, ...]) -> list[Replica]:
    for target in targets:
        if target.generation == front:
            return _ordered(ready(target, seen))
    return _ordered([replica for replica in seen.replicas if replica.key.generation == front and _serves(replica, seen)])


def _drains(replica: Replica, seen: Seen) -> bool:
    """It keeps the sessions that it has. A failed release keeps none; one that was started anew has none."""
    return (
        (replica.running or replica.paused)
        and replica.health != Health.STARTING
        and replica.key.release not in seen.failed
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
