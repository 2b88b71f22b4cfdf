"""What all apps share: the bus, the engine, the other apps' claims. Wired once in `__main__`."""

import asyncio
from collections.abc import Callable
from time import monotonic

import msgspec

from libs.common import subjects
from libs.common.bucket import Bucket, Mirror
from libs.common.bus import Bus
from libs.common.engine.connect import Engine
from libs.common.messages.api import Release
from libs.common.messages.router import Applied, RouterLease
from libs.common.messages.runtime import Route
from libs.common.messages.scale import Scale
from libs.common.references import filled
from libs.common.secrets import Vault
from libs.common.streams import LEASE_SECONDS
from services.runtime.clock import EngineClock
from services.runtime.desired import Wants
from services.runtime.ledger import Ledger
from services.runtime.networks import Networks
from services.runtime.seen import Router
from services.runtime.settings import Settings
from services.runtime.spec import Place
from services.runtime.tails.registry import Tails

_MOST_STOPS = 16
_MOST_OPENED = 1_000


class LeaseSeen(RouterLease, frozen=True, kw_only=True):
    """Any entry of `leases`: those that are no router's have an empty `router_id`."""

    router_id: str = ""
    address: str = ""
    http_port: int = 0
    https_port: int | None = None
    probe_token: str = ""


class World:
    """Shared by the apps of one runtime. `_fleet` in `__main__` fills in the mirrors and networks. `late`: runs stopped for their time.

    `filling`: copies of volumes that a restore has not filled yet. `sure` says whether nobody else can act on this engine.
    """

    def __init__(self, settings: Settings, bus: Bus, engine: Engine, node: str) -> None:
        self.settings = settings
        self.bus = bus
        self.engine = engine
        self.place = Place(instance=settings.instance, node=node)
        self.vault = Vault(settings.secret_key)
        self.clock = EngineClock()
        self.tails = Tails(engine)
        self.wants = Wants()
        self.routes: Bucket[Route] = Bucket(bus, subjects.ROUTES, Route)
        self.networks: Networks
        self.desired_mirror: Mirror[msgspec.Raw]
        self.route_mirror: Mirror[Route]
        self.applied_mirror: Mirror[Applied]
        self.lease_mirror: Mirror[LeaseSeen]
        self.scale_mirror: Mirror[Scale]
        self.routerless_since: float | None = None
        self.sure: Callable[[], bool] = lambda: True
        # A stop may take ten seconds: the engine's threads are there for others, too.
        self.stops = asyncio.Semaphore(_MOST_STOPS)
        self.carriers: set[str] = set()
        self.late = Ledger(settings.home, "late")
        self.filling = Ledger(settings.home, "filling")
        self._opened: dict[str, dict[str, str]] = {}

    def live_routers(self) -> dict[str, LeaseSeen]:
        """Return the routers whose lease was heard within its time."""
        oldest = monotonic() - LEASE_SECONDS
        mirror = self.lease_mirror
        return {
            lease.router_id: lease
            for key, lease in mirror.entries.items()
            if lease.router_id and key.startswith("router.") and mirror.seen.get(key, 0.0) >= oldest
        }

    def routers_for(self, app_id: str) -> tuple[Router, ...]:
        """Return the live routers with what each applied of the app's route."""
        entries = self.applied_mirror.entries
        found = [(router_id, entries.get(f"{app_id}.{router_id}")) for router_id in sorted(self.live_routers())]
        return tuple(
            Router(id=router_id, revision=entry.revision, sessions=entry.sessions) if entry else Router(id=router_id)
            for router_id, entry in found
        )

    def unread(self) -> list[str]:
        """Return the entries of buckets that do not fit, as `bucket/key: why`."""
        buckets = {
            subjects.DESIRED: self.wants.unread,
            subjects.ROUTES: self.route_mirror.unread,
            subjects.APPLIED: self.applied_mirror.unread,
            subjects.LEASES: self.lease_mirror.unread,
            subjects.SCALE: self.scale_mirror.unread,
        }
        return [f"{name}/{key}: {why}" for name, unread in buckets.items() for key, why in sorted(unread.items())]

    def env_of(self, release: Release) -> dict[str, str]:
        """Return the release's environment in the clear, its references filled in; raises `UnreadableError`."""
        return filled(self._open(release.env), self._shared_of(release))

    def known_of(self, release: Release) -> list[tuple[str, str]]:
        """As `env_of`, and the shared ones by their own names: they may stand in the middle of a value whose name says nothing.

        A name may come twice: a variable of the app's own does not make the shared one of that name less secret.
        """
        return [*self._shared_of(release).items(), *self.env_of(release).items()]

    def _shared_of(self, release: Release) -> dict[str, str]:
        return self._open(release.shared) if release.shared else {}

    def _open(self, token: str) -> dict[str, str]:
        known = self._opened.get(token)
        if known is None:
            if len(self._opened) >= _MOST_OPENED:
                self._opened.clear()
            known = self._opened[token] = self.vault.open(token, dict[str, str])
        return known
