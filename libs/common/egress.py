"""Where git, registries and hooks may connect to: the public internet, and what `DOCKUP_EGRESS_ALLOW` names.

`resolve` looks a host up and checks every answer; whoever connects uses the addresses that it returns and no others, so that a name
cannot become another address between the check and the connection. The ranges are IANA's special-purpose registries (RFC 6890).
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from libs.common.errors import DockupError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LookUp = Callable[[str, int], Awaitable[list[str]]]

_LOOK_UP_SECONDS = 10.0
_LONGEST_HOST = 253
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BRACKETED = re.compile(r"\[([0-9a-fA-F:.]+)\]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("metadata", ("169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::254/128")),
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("unspecified", ("0.0.0.0/8", "::/128")),
    ("link-local", ("169.254.0.0/16", "fe80::/10")),
    ("carrier-grade NAT", ("100.64.0.0/10",)),
    ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10", "64:ff9b:1::/48")),
    ("multicast", ("224.0.0.0/4", "ff00::/8")),
    ("reserved", ("192.88.99.0/24", "240.0.0.0/4")),
)
_REFUSED = tuple((kind, ipaddress.ip_network(text)) for kind, texts in _KINDS for text in texts)


class AddressRefused(DockupError):
    """The host is, or leads to, an address that may not be reached; the message names it and the kind."""


class HostUnknown(DockupError):
    """The name has no address, or the resolver did not answer."""


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What may be reached although it is not public: networks, and hosts by name (`.corp.example` with all that is below it)."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    def names(self, host: str) -> bool:
        parents = host.split(".")
        return host in self.hosts or any("." + ".".join(parents[start:]) in self.hosts for start in range(1, len(parents)))

    def holds(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A host that may be reached, by these addresses alone. `allowed`: the operator named it, so that it may speak plain http."""

    host: str
    port: int
    addresses: tuple[str, ...]
    allowed: bool


def parse(entries: Iterable[str]) -> Allowed:
    """Read the parts of `DOCKUP_EGRESS_ALLOW`: CIDRs, addresses, hosts; `ValueError` for what is none of them."""
    networks: list[Network] = []
    hosts: set[str] = set()
    for entry in entries:
        name = entry.strip().lower()
        if network := _network(name):
            networks.append(network)
        elif _is_name(name.removeprefix(".")):
            hosts.add(name)
        else:
            raise ValueError(f"{entry!r} is neither a network, an address nor a host")
    return Allowed(networks=tuple(networks), hosts=frozenset(hosts))


def refusal(address: Address) -> str:
    """Why the address may not be reached: a kind such as `private`; empty for a public one. IPv4 in IPv6 dress is undressed first."""
    if isinstance(address, ipaddress.IPv6Address):
        for inner in _undressed(address):
            if kind := refusal(inner):
                return f"{kind}, as {inner} in IPv6"
    for kind, network in _REFUSED:
        if address.version == network.version and address in network:
            return kind
    # 6to4 (RFC 3056) is as public as the address in it; whether Python calls it global depends on its version.
    return "" if address.is_global or (isinstance(address, ipaddress.IPv6Address) and address.sixtofour) else "reserved"


def canonical(host: str) -> str:
    """The host as it is looked up, in lower case, without brackets; `AddressRefused` for what is no host.

    An address has to be written in the usual way: `0x7f.1` and `2130706433` are numbers to one program and a name to another.
    """
    bracketed = _BRACKETED.fullmatch(host)
    name = (bracketed[1] if bracketed else host.removesuffix(".")).lower()
    if _address(name) or (not bracketed and _is_name(name)):
        return name
    raise AddressRefused(f"{host[:_LONGEST_HOST]!r} is no host")


def judge(host: str, addresses: Iterable[str], allowed: Allowed) -> bool:
    """Check what a host leads to; say whether the operator named it. `AddressRefused` for the first address that is not for us."""
    if allowed.names(host):
        return True
    found = [_undress_scope(text) for text in addresses]
    for address in found:
        kind = "" if allowed.holds(address) else refusal(address)
        if kind:
            shown = host if host == str(address) else f"{host} ({address})"
            raise AddressRefused(f"{shown} is a {kind} address, and DOCKUP_EGRESS_ALLOW does not name it")
    return bool(found) and all(allowed.holds(address) for address in found)


async def resolve(host: str, port: int, allowed: Allowed, look_up: LookUp | None = None) -> Route:
    """Look the host up and check every answer: `AddressRefused`, or `HostUnknown` where there is none."""
    name = canonical(host)
    addresses = [name] if _address(name) else await _looked_up(name, port, look_up or _system)
    return Route(host=name, port=port, addresses=tuple(addresses), allowed=judge(name, addresses, allowed))


async def _looked_up(name: str, port: int, look_up: LookUp) -> list[str]:
    try:
        async with asyncio.timeout(_LOOK_UP_SECONDS):
            found = await look_up(name, port)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise HostUnknown(f"{name} has no address: {error or 'the resolver does not answer'}") from error
    if not found:
        raise HostUnknown(f"{name} has no address")
    return list(dict.fromkeys(found))


async def _system(name: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _undressed(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Every IPv4 address that a gateway may take the IPv6 one for: mapped, compatible, 6to4, Teredo, NAT64."""
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        found.append(last)
    return [inner for inner in found if inner]


def _undress_scope(text: str) -> Address:
    return ipaddress.ip_address(text.partition("%")[0])


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_name(text: str) -> bool:
    last = text.rpartition(".")[2]
    return len(text) <= _LONGEST_HOST and _HOST.fullmatch(text) is not None and _NUMBER.fullmatch(last) is None
