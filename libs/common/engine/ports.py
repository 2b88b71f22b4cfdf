"""Which ports a container listens on, read from its network namespace through /proc."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

_LISTEN = "0A"
_ENGINE_DNS = ip_address("127.0.0.11")
_WORD = 8
_V4_DIGITS = 8

Address = IPv4Address | IPv6Address


def listening(pid: int) -> list[int]:
    """TCP ports that anything in the namespace of `pid` listens on, the engine's own DNS aside; empty when it is gone."""
    return sorted({port for _address, port in _listeners(pid)})


def loopback_only(pid: int) -> list[int]:
    """Those of `listening` that cannot be reached from outside, because only a loopback address has them."""
    found = set(_listeners(pid))
    outside = {port for address, port in found if not address.is_loopback}
    return sorted({port for _address, port in found} - outside)


def _listeners(pid: int) -> Iterator[tuple[Address, int]]:
    for table in ("tcp", "tcp6"):
        try:
            text = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii")
        except OSError:
            # The process is gone, or the machine has no IPv6.
            continue
        yield from parse(text)


def parse(text: str) -> Iterator[tuple[Address, int]]:
    """Read one table of the kernel: the listening sockets, as (address, port)."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        digits, _, port = fields[1].partition(":")
        address = _address(digits)
        if fields[3] == _LISTEN and address != _ENGINE_DNS:
            yield address, int(port, 16)


def _address(digits: str) -> Address:
    """The kernel prints words of 32 bits in the machine's order, which is little-endian wherever Docker runs in practice."""
    words = [bytes.fromhex(digits[at : at + _WORD])[::-1] for at in range(0, len(digits), _WORD)]
    packed = b"".join(words)
    if len(digits) == _V4_DIGITS:
        return IPv4Address(packed)
    v6 = IPv6Address(packed)
    return v6.ipv4_mapped or v6
