"""The router's own memory of the routes: which app has which backend, and who owns a host."""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Collection, Mapping

import msgspec
import structlog

from libs.common.messages.api import Front
from libs.common.messages.runtime import Route, Upstream
from services.router.entries import state_of

HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_SERVER = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_PORTS = range(1, 65_536)

logger = structlog.get_logger()


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The table on disk: the routes (without those of apps that are gone) and the backend's number of each app."""

    capacity: int
    slots: dict[str, int] = {}
    routes: dict[str, Route] = {}


class Table:
    """The newest route of each app. Absence removes nothing; a route without hosts says that the app is gone.

    `reserved` are hosts that no app may take. `capacity` is the number of backends that the proxy should have.
    """

    def __init__(self, *, capacity: int, reserved: Collection[str] = ()) -> None:
        self.capacity = capacity
        self.routes: dict[str, Route] = {}
        self.slots: dict[str, int] = {}
        self._reserved = frozenset(reserved)
        self._claims: dict[str, set[str]] = defaultdict(set)
        self._foreign: dict[str, int] = {}

    def restore(self, stored: Stored) -> None:
        self.capacity = max(self.capacity, stored.capacity)
        self.slots.update(stored.slots)
        for route in stored.routes.values():
            self.take(route)

    def stored(self) -> Stored:
        routes = {app_id: route for app_id, route in self.routes.items() if route.hosts}
        return Stored(capacity=self.capacity, slots={app_id: self.slots[app_id] for app_id in routes}, routes=routes)

    def take(self, route: Route) -> set[str]:
        """Note a route and return the apps that have to be applied now; none when it is not newer than what is known."""
        known = self.routes.get(route.app_id)
        if known is not None and known.revision >= route.revision:
            return set()
        clean = self._cleaned(route)
        self.routes[route.app_id] = clean
        old = set(known.hosts) if known else set()
        moved = old ^ set(clean.hosts)
        touched = {route.app_id}.union(*(self._claims[host] for host in moved))
        for host in moved:
            (self._claims[host].add if host in clean.hosts else self._claims[host].discard)(route.app_id)
        if clean.hosts:
            self._place(clean)
        else:
            self._trace(clean)
        return touched

    def release(self, app_id: str) -> None:
        """The proxy has nothing of the app any more: its backend may serve another."""
        if self.is_gone(app_id):
            self.slots.pop(app_id, None)

    def is_gone(self, app_id: str) -> bool:
        route = self.routes.get(app_id)
        return route is None or not route.hosts

    def forget(self, listed: Collection[str]) -> None:
        """Drop what is known of apps that are gone and that the bucket no longer names."""
        gone = [app_id for app_id, route in self.routes.items() if not route.hosts and app_id not in listed and app_id not in self.slots]
        for app_id in gone:
            del self.routes[app_id]

    def claim(self, hosts: Mapping[str, int]) -> None:
        """Learn from a proxy that runs which backend serves which host: an app that we know nothing of keeps its own."""
        self._foreign = dict(hosts)

    def hosts(self, app_id: str) -> tuple[str, ...]:
        """The hosts that lead to the app. Where two apps name one host, the later made app has it (ids sort by time)."""
        return tuple(host for host in self.routes[app_id].hosts if max(self._claims[host]) == app_id)

    def owner(self, host: str) -> str | None:
        """The app that the host leads to."""
        return max(self._claims.get(host, ()), default=None)

    def fronts(self) -> list[tuple[str, Front]]:
        """The apps that have something in front of them."""
        return [(app_id, front) for app_id in self.slots if (front := self.routes[app_id].front) is not None]

    def upstreams(self, app_id: str) -> tuple[Upstream, ...]:
        return self.routes[app_id].upstreams

    def state(self, app_id: str) -> str:
        """`paused`, `asleep` or nothing."""
        return state_of(self.routes[app_id])

    def app_of(self, slot: int | None) -> str | None:
        """The app that has the backend of that number."""
        return next((app_id for app_id, number in self.slots.items() if number == slot), None)

    def draining(self, app_id: str) -> list[str]:
        """The upstreams of the app that may still hold sessions, by name."""
        route = self.routes.get(app_id)
        return [up.name for up in route.upstreams if up.draining_since] if route else []

    def _place(self, route: Route) -> None:
        """Give the app a backend: the one that serves its host already, else the lowest that nobody has."""
        if route.app_id in self.slots:
            return
        taken = set(self.slots.values())
        hint = next((self._foreign[host] for host in route.hosts if host in self._foreign), None)
        if hint is None or hint in taken:
            taken |= set(self._foreign.values())
            hint = next(number for number in range(len(taken) + 1) if number not in taken)
        self._foreign = {host: number for host, number in self._foreign.items() if number != hint}
        self.slots[route.app_id] = hint
        while hint >= self.capacity:
            self.capacity *= 2

    def _trace(self, gone: Route) -> None:
        """Give an app that is gone the backend that its hosts still lead to, for them to be taken out.

        We did not know of it when it was mapped last: that had not reached the disk when the router was killed.
        """
        if gone.app_id in self.slots:
            return
        left = {self._foreign[host] for host in gone.former_hosts if host in self._foreign and not self._claims.get(host)}
        numbers = left - set(self.slots.values())
        if numbers:
            self.slots[gone.app_id] = min(numbers)
            self._foreign = {host: number for host, number in self._foreign.items() if number not in numbers}

    def _cleaned(self, route: Route) -> Route:
        """Leave out what the proxy could not take, and say so: one bad entry must not spoil the others."""
        hosts = tuple(dict.fromkeys(host.lower() for host in route.hosts))
        good = tuple(host for host in hosts if HOST.fullmatch(host) and host not in self._reserved)
        upstreams = tuple({up.name: up for up in route.upstreams if _fits(up)}.values())
        if len(good) < len(hosts) or len(upstreams) < len(route.upstreams):
            logger.error("route.refused_in_part", app_id=route.app_id, hosts=[*set(hosts) - set(good)], revision=route.revision)
        return msgspec.structs.replace(route, hosts=good, upstreams=upstreams)


def _fits(upstream: Upstream) -> bool:
    try:
        address = ipaddress.ip_address(upstream.address)
    except ValueError:
        return False
    if getattr(address, "scope_id", None):  # the proxy takes none
        return False
    return _SERVER.fullmatch(upstream.name) is not None and upstream.port in _PORTS
