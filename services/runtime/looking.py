"""From what is remembered and what the world shows to what the plan looks at."""

from time import time

from libs.common import scaling
from libs.common.messages.api import Desired
from services.runtime.runs.memory import Runs
from services.runtime.seen import Seen
from services.runtime.view import View
from services.runtime.world import World


def look(desired: Desired, view: View, runs: Runs, world: World, *, busy: bool) -> Seen:
    """Return the app as of now. `busy`: work on its containers is under way."""
    return Seen(
        network=world.networks.has(desired.project_id),
        replicas=tuple(view.replicas.values()),
        route=view.route,
        stored=view.route is not None and desired.app_id in world.route_mirror.entries and desired.app_id not in world.route_mirror.unread,
        routers=world.routers_for(desired.app_id),
        routerless_since=world.routerless_since,
        failed=frozenset(view.failed),
        proved=frozenset(view.proved),
        said_live=frozenset(view.said_live),
        routed_since=view.routed_since,
        trouble=view.trouble,
        retry_at={key: deaths.retry_at for key, deaths in view.deaths.items()},
        may_remove=world.wants.complete and world.bus.connected and world.sure(),
        busy=busy,
        last_in_project=world.wants.last_in_project(desired),
        said_settled=view.said_settled,
        said_removed=view.said_removed,
        said_ahead=view.said_ahead,
        count=scaling.number(desired, world.scale_mirror.entries.get(desired.app_id), time()),
        purged=frozenset(view.purged),
        swept=frozenset(view.swept),
        runners=tuple(runs.runners.values()),
        ended=frozenset(runs.ended),
    )


def has_route(desired: Desired, view: View) -> bool:
    """The candidate gets new requests: its time for an answer through the proxy runs."""
    candidate = desired.candidate
    if candidate is None or candidate.deployment_id in view.failed or view.route is None:
        return False
    names = {replica.upstream for replica in view.replicas.values() if replica.deployment_id == candidate.deployment_id}
    return any(upstream.name in names and upstream.draining_since is None for upstream in view.route.upstreams)
