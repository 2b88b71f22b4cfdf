"""Names of domains, and what DNS has to say for one to be routed."""

from pathlib import Path

import pytest

from libs.common.config import SettingError, load
from services.api.domains import pace
from services.api.domains.dns import Found, Resolver, is_proven, judge, proof
from services.api.domains.grammar import to_name
from services.api.http.problems import Problem
from services.api.settings import Settings


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.com", "example.com"),
        ("WWW.Example.COM.", "www.example.com"),
        (" shop.example.co.uk ", "shop.example.co.uk"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("3com.example", "3com.example"),
        ("apps.example.org", "apps.example.org"),
        ("notdockup.test", "notdockup.test"),
    ],
)
def test_one_spelling(text: str, name: str) -> None:
    assert to_name(text, "dockup.test") == name


@pytest.mark.parametrize(
    "text",
    [
        "*.example.com",
        "203.0.113.7",
        "[2001:db8::1]",
        "2001:db8::1",
        "example.com:443",
        "https://example.com",
        "example.com/path",
        "me@example.com",
        "example",
        "localhost",
        "app.localhost",
        "printer.local",
        "example..com",
        ".example.com",
        "-a.example.com",
        "a-.example.com",
        "under_score.example.com",
        "a b.example.com",
        "example.123",
        f"{'a' * 64}.example.com",
        f"{'a.' * 127}example",
        "xn--zz--.example",
        "\u202eexample.com",
        "dockup.test",
        "demo-app.dockup.test",
        "DEMO.dockup.test.",
    ],
)
def test_what_is_no_domain(text: str) -> None:
    with pytest.raises(Problem) as caught:
        to_name(text, "dockup.test")
    assert (caught.value.code, caught.value.errors[0].pointer) == ("validation_failed", "/name")


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        ((), False),
        (("203.0.113.7",), True),
        (("203.0.113.7", "2001:db8::1"), True),
        (("203.0.113.7", "198.51.100.1"), False),
        (("198.51.100.1",), False),
    ],
)
def test_every_address_has_to_be_ours(found: tuple[str, ...], ok: bool) -> None:  # noqa: FBT001 - a table
    assert judge(Found(addresses=found), ("203.0.113.7", "2001:0db8:0:0::1")).ok is ok


def settings(home: Path, **environ: str) -> Settings:
    needed = dict.fromkeys(("DOCKUP_INSTANCE", "DOCKUP_NATS_URL", "DOCKUP_NATS_SETUP_URL"), "x")
    return load(Settings, {"DOCKUP_HOME": str(home), "DOCKUP_SECRET_KEY": "A" * 43 + "=", **needed, **environ})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DOCKUP_PUBLIC_ADDRESSES", "203.0.113.7,203.0.113"),
        ("DOCKUP_DNS_SERVER", "999.1.1.1"),
        ("DOCKUP_DNS_SERVER", "127.0.0.1:99999"),
        ("DOCKUP_DNS_SERVER", "[::1]:0"),
    ],
)
def test_addresses_that_are_none_stop_the_start(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SettingError, match=name):
        settings(tmp_path, **{name: text})


async def test_a_machine_without_dns_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dns.resolver.Resolver.__init__.__defaults__", (str(tmp_path / "no-resolv.conf"), True))
    found = await Resolver(settings(tmp_path)).look("www.example.com")
    assert found.silent
    assert found.error is not None
    assert "does not answer" in found.error


def test_a_proof_is_of_one_name_and_one_project() -> None:
    texts = ("v=spf1 -all", proof("example.com", "prj_1"))
    assert is_proven(texts, "example.com", "prj_1")
    assert not is_proven(texts, "example.com", "prj_2")
    assert not is_proven(texts, "www.example.com", "prj_1")


def test_dns_is_asked_ever_less_often() -> None:
    gaps = [pace.until_next(checks, verified=False) for checks in range(40)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (10.0, 3_600.0)
    assert pace.until_next(1, verified=True) > gaps[-1]
