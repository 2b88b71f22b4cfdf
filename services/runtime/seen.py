"""What is observed of one app at one moment: frozen, and with `Desired` all that the plan looks at."""

import msgspec

from libs.common.messages.runtime import Route, Upstream
from services.runtime.clock import Now
from services.runtime.replica import Key, Replica
from services.runtime.runs.runner import Runner

ROUTERLESS_SECONDS = 30.0
"""After this long without a live router nobody is waited for: the proxy's state on disk follows when a router is back."""


class Router(msgspec.Struct, frozen=True, kw_only=True):
    """A live router: the revision of this app's route that it applied (0: none yet), and its sessions to draining upstreams."""

    id: str
    revision: int = 0
    sessions: dict[str, int] = {}


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why a replica of the release could not be made, before there was a container to look at."""

    release: int
    code: str
    message: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """`route` is the last one written, `stored` says that the bucket has it.

    `failed` holds deployments, `proved` (answered through the proxy) and `said_live` numbers of releases; `routed_since` is when the
    candidate got the route; times are of the engine's clock. `may_remove`: the bus is there, `desired` is complete, and nobody else acts.
    `busy`: work on containers is under way. `last_in_project`: no other app that is wanted uses the project's network. `count`: how many
    replicas are to run now, 0: the app sleeps; None: as many as `desired` says. `purged` are the volumes whose data is gone; of those in
    `swept` the copies before that one are. `runners` are the containers of runs and of the release command, `ended` the ids of those
    whose end was seen.
    """

    network: bool = True
    replicas: tuple[Replica, ...] = ()
    route: Route | None = None
    stored: bool = True
    routers: tuple[Router, ...] = ()
    routerless_since: float | None = None
    failed: frozenset[str] = frozenset()
    proved: frozenset[int] = frozenset()
    said_live: frozenset[int] = frozenset()
    routed_since: float | None = None
    trouble: Trouble | None = None
    retry_at: dict[Key, float] = {}
    may_remove: bool = True
    busy: bool = False
    last_in_project: bool = True
    count: int | None = None
    said_settled: tuple[int, int] | None = None
    said_removed: bool = False
    said_ahead: tuple[int, int] | None = None
    purged: frozenset[str] = frozenset()
    swept: frozenset[tuple[str, int]] = frozenset()
    runners: tuple[Runner, ...] = ()
    ended: frozenset[str] = frozenset()

    def upstream(self, replica: Replica) -> Upstream | None:
        """Return the replica's entry in the route."""
        upstreams = self.route.upstreams if self.route else ()
        return next((upstream for upstream in upstreams if upstream.name == replica.upstream), None)

    def applied(self, now: Now) -> bool:
        """Every live router serves the last route; when none has lived for long, nobody is waited for."""
        if self.route is None or not self.stored:
            return False
        if not self.routers:
            return self.routerless_since is not None and now.engine - self.routerless_since > ROUTERLESS_SECONDS
        return self.applied_by_all()

    def applied_by_all(self) -> bool:
        """Each live router serves the last route, and there is one at least."""
        revision = self.route.revision if self.route and self.stored else None
        return revision is not None and bool(self.routers) and all(router.revision >= revision for router in self.routers)
