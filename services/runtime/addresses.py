"""Addresses: which subnet a project's network gets, and which address a replica. Pure, but for the two readers at the end."""

import ipaddress
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import structlog

REST_SECONDS = 3600.0
"""A released address rests this long: a proxy that was away may still know it."""
_PREFIX = 26
_ROUTE_FIELDS = 8
_ROUTES = Path("/proc/net/route")

Network = ipaddress.IPv4Network
logger = structlog.get_logger()


def subnets(pool: str, used: Iterable[Network]) -> Iterator[Network]:
    """Yield the /26 of the pool that overlap with nothing used, in order."""
    taken = list(used)
    for subnet in ipaddress.IPv4Network(pool).subnets(new_prefix=_PREFIX):
        if not any(subnet.overlaps(other) for other in taken):
            yield subnet


def choose(subnet: str, taken: set[str], released: dict[str, float], now: float) -> str | None:
    """Return the address for a new replica, None when all are taken.

    The one that was released longest ago comes first, one that never was before all. Resting ones are left, unless nothing else is.
    `released` and `now` are Unix times.
    """
    hosts = [str(host) for host in list(ipaddress.IPv4Network(subnet).hosts())[1:]]  # the first is the gateway
    free = sorted((host for host in hosts if host not in taken), key=lambda host: released.get(host, 0.0))
    rested = [host for host in free if now - released.get(host, 0.0) >= REST_SECONDS]
    return next(iter(rested or free), None)


class Released:
    """When each address was released, kept over restarts in one small file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.times = msgspec.json.decode(path.read_bytes(), type=dict[str, float])
        except (OSError, msgspec.DecodeError):
            self.times = {}  # at worst an address comes back before its hour is over

    def note(self, address: str) -> None:
        now = time.time()
        self.times = {known: at for known, at in self.times.items() if now - at < REST_SECONDS} | {address: now}
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.json.encode(self.times))
            fresh.replace(self._path)
        except OSError as error:
            # A full disk must not keep a container from going; a restart of this process forgets the hour of rest at worst.
            logger.error("runtime.addresses_not_saved", error=str(error))  # noqa: TRY400 - no bug of ours


def host_networks() -> list[Network]:
    """Read the networks that the machine has routes to, the default route aside."""
    return parse_routes(_ROUTES.read_text(encoding="ascii"))


def parse_routes(text: str) -> list[Network]:
    """Read the kernel's table: destination and mask are hexadecimal in the machine's order, little-endian."""
    rows = [line.split() for line in text.splitlines()[1:]]
    found = [_network(row[1], row[7]) for row in rows if len(row) >= _ROUTE_FIELDS]
    return [network for network in found if network.prefixlen > 0]


def _network(destination: str, mask: str) -> Network:
    address, netmask = (ipaddress.IPv4Address(bytes.fromhex(word)[::-1]) for word in (destination, mask))
    return Network(f"{address}/{netmask}", strict=False)
