"""Which addresses may be reached."""

import ipaddress

import pytest

from libs.common import egress
from libs.common.egress import AddressRefused, Allowed, HostUnknown

NOBODY = Allowed()

PUBLIC = ("1.1.1.1", "140.82.121.4", "2606:4700::1111", "64:ff9b::8c52:7904", "2002:8c52:7904::1", "::ffff:140.82.121.4")
REFUSED = {
    "127.0.0.1": "loopback",
    "127.9.9.9": "loopback",
    "::1": "loopback",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "10.1.2.3": "private",
    "172.31.255.255": "private",
    "192.168.0.1": "private",
    "fd12::1": "private",
    "fec0::1": "private",
    "64:ff9b:1::1": "private",
    "169.254.1.1": "link-local",
    "fe80::1": "link-local",
    "169.254.169.254": "metadata",
    "100.100.100.200": "metadata",
    "168.63.129.16": "metadata",
    "fd00:ec2::254": "metadata",
    "100.64.0.1": "carrier-grade NAT",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "192.0.2.7": "reserved",
    "198.18.0.1": "reserved",
    "203.0.113.9": "reserved",
    "2001:db8::1": "reserved",
    "::ffff:127.0.0.1": "loopback, as 127.0.0.1 in IPv6",
    "::ffff:169.254.169.254": "metadata, as 169.254.169.254 in IPv6",
    "::7f00:1": "loopback, as 127.0.0.1 in IPv6",
    "2002:a00:1::1": "private, as 10.0.0.1 in IPv6",
    "2002:7f00:1::": "loopback, as 127.0.0.1 in IPv6",
    "64:ff9b::a9fe:a9fe": "metadata, as 169.254.169.254 in IPv6",
    "64:ff9b::c0a8:1": "private, as 192.168.0.1 in IPv6",
}
NO_HOSTS = (
    "",
    "-a",
    "a b",
    "a..b",
    "0x7f.1",
    "2130706433",
    "127.1",
    "0177.0.0.1",
    "1.2.3.4.5",
    "a.0x1",
    "ä.example",
    "[::1",
    "a/b",
    "a@b",
    "a:1",
    "x" * 64,
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert egress.refusal(ipaddress.ip_address(address)) == ""


@pytest.mark.parametrize(("address", "kind"), REFUSED.items())
def test_addresses_that_are_not_for_us(address: str, kind: str) -> None:
    assert egress.refusal(ipaddress.ip_address(address)) == kind
    with pytest.raises(AddressRefused, match="DOCKUP_EGRESS_ALLOW"):
        egress.judge("git.example", [address], NOBODY)


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(AddressRefused, match="is no host"):
        egress.canonical(host)


@pytest.mark.parametrize(
    ("host", "name"),
    [("GitHub.com", "github.com"), ("github.com.", "github.com"), ("[::1]", "::1"), ("1.2.3.4", "1.2.3.4"), ("my_host", "my_host")],
)
def test_hosts(host: str, name: str) -> None:
    assert egress.canonical(host) == name


@pytest.mark.parametrize(
    ("entries", "host", "addresses", "named"),
    [
        (("10.0.0.0/8",), "git.corp", ["10.1.1.1"], True),
        (("10.0.0.0/8",), "git.corp", ["10.1.1.1", "1.1.1.1"], False),
        (("127.0.0.1",), "127.0.0.1", ["127.0.0.1"], True),
        (("fd00::/8",), "git.corp", ["fd00::9"], True),
        (("git.corp",), "git.corp", ["192.168.1.1"], True),
        ((".corp",), "git.corp", ["192.168.1.1"], True),
        ((".corp",), "a.git.corp", ["fe80::1%eth0"], True),
        ((), "github.com", ["140.82.121.4"], False),
    ],
)
def test_what_the_operator_names(entries: tuple[str, ...], host: str, addresses: list[str], *, named: bool) -> None:
    assert egress.judge(host, addresses, egress.parse(entries)) is named


@pytest.mark.parametrize(
    ("entries", "host", "addresses"),
    [
        ((), "rebind.example", ["1.1.1.1", "127.0.0.1"]),
        (("10.0.0.0/8",), "git.corp", ["10.1.1.1", "192.168.1.1"]),
        (("git.corp",), "evil-git.corp", ["10.1.1.1"]),
        ((".corp",), "corp", ["10.1.1.1"]),
        (("10.0.0.0/8",), "git.corp", ["fd00::9"]),
        ((), "git.corp", ["fe80::1%eth0"]),
    ],
)
def test_what_stays_refused(entries: tuple[str, ...], host: str, addresses: list[str]) -> None:
    with pytest.raises(AddressRefused):
        egress.judge(host, addresses, egress.parse(entries))


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "http://a", "a b", "", "*"])
def test_entries_that_name_nothing(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a network"):
        egress.parse([entry])


async def test_every_answer_of_the_resolver_is_checked() -> None:
    answers = {"good.example": ["1.1.1.1", "1.1.1.1", "2606:4700::1111"], "bad.example": ["1.1.1.1", "10.0.0.1"], "none.example": []}

    async def look_up(name: str, _port: int) -> list[str]:
        return answers[name]

    good = await egress.resolve("Good.example", 443, NOBODY, look_up)
    assert (good.host, good.addresses, good.allowed) == ("good.example", ("1.1.1.1", "2606:4700::1111"), False)
    with pytest.raises(AddressRefused, match=r"bad\.example \(10\.0\.0\.1\) is a private address"):
        await egress.resolve("bad.example", 443, NOBODY, look_up)
    with pytest.raises(HostUnknown):
        await egress.resolve("none.example", 443, NOBODY, look_up)


async def test_an_address_needs_no_resolver() -> None:
    async def look_up(_name: str, _port: int) -> list[str]:
        raise AssertionError

    route = await egress.resolve("127.0.0.1", 80, egress.parse(["127.0.0.0/8"]), look_up)
    assert (route.addresses, route.allowed) == (("127.0.0.1",), True)
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1 is a loopback address"):
        await egress.resolve("127.0.0.1", 80, NOBODY, look_up)


async def test_a_name_of_this_machine_is_refused() -> None:
    with pytest.raises(AddressRefused, match="loopback"):
        await egress.resolve("localhost", 443, NOBODY)


async def test_a_resolver_that_fails() -> None:
    async def look_up(_name: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(HostUnknown, match="has no address"):
        await egress.resolve("gone.example", 443, NOBODY, look_up)
