"""When certificates are asked for, and the operator's own files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from msgspec.structs import replace
from nats.aio.client import Client as NatsClient

from libs.common.bus import Bus
from libs.common.clock import rfc3339
from libs.common.messages.router import Certificate
from libs.common.secrets import Vault
from services.router import own as own_files
from services.router.acme import leaf, pace
from services.router.acme.client import Account, Client, _retry_after
from services.router.acme.records import Records, by_attempts, key_of
from services.router.acme.zone import Zone
from services.router.certificates import Authority
from services.router.files import Files
from services.router.issued import Issued
from services.router.own import Own
from services.router.settings import Settings
from services.router.shown import Shown
from services.router.table import Table

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HELD = Certificate(
    host="a.example", pem="sealed", issued_at=rfc3339(NOW - timedelta(days=10)), expires_at=rfc3339(NOW + timedelta(days=80))
)


def test_none_or_an_unreadable_one_is_due() -> None:
    assert pace.is_due(Certificate(host="a.example"), NOW, held=False)
    assert pace.is_due(HELD, NOW, held=False)
    assert not pace.is_due(HELD, NOW, held=True)


def test_renewed_with_a_third_left_and_not_all_at_once() -> None:
    moments = [pace.renew_at(replace(HELD, serial=str(number))) for number in range(100)]
    third = NOW + timedelta(days=50)
    assert all(third - timedelta(days=4) <= moment <= third for moment in moments)
    assert len(set(moments)) > 90
    assert pace.is_due(HELD, third, held=True)


def test_a_claim_and_a_pause_are_waited_for() -> None:
    later = rfc3339(NOW + timedelta(seconds=1))
    for record in (Certificate(host="a", claimed_until=later), Certificate(host="a", retry_at=later)):
        assert not pace.is_due(record, NOW, held=False)
        assert pace.is_due(record, NOW + timedelta(seconds=2), held=False), "a router that died holds nothing up"


def test_what_a_clock_wrote_that_was_ahead_holds_nothing_up() -> None:
    ahead = rfc3339(NOW + timedelta(days=5_000))
    for record in (Certificate(host="a", claimed_until=ahead), Certificate(host="a", failed_at=ahead, retry_at=ahead)):
        assert pace.is_due(record, NOW, held=False)
    asked_for = Certificate(host="a", failed_at=rfc3339(NOW), retry_at=rfc3339(NOW + timedelta(days=7)))
    assert not pace.is_due(asked_for, NOW, held=False), "an authority may ask for a week"


@pytest.mark.parametrize(("text", "days"), [("86400", 1), ("9" * 30, 30), ("Fri, 31 Dec 9999 23:59:59 GMT", 30), ("²", None), ("", None)])
def test_what_an_authority_may_ask_for(text: str, days: int | None) -> None:
    assert _retry_after(text) == (None if days is None else timedelta(days=days))


def test_what_is_forgotten() -> None:
    assert not pace.is_over(HELD, NOW)
    assert pace.is_over(HELD, NOW + timedelta(days=81))
    assert not pace.is_over(Certificate(host="a", retry_at=rfc3339(NOW + timedelta(seconds=1))), NOW), "a pause outlives the domain"
    assert pace.is_over(Certificate(host="a"), NOW)


def test_pauses_grow_and_never_shorten_what_was_asked_for() -> None:
    first = timedelta(minutes=1)
    pauses = [pace.pause(attempts, first, None, "a.example") for attempts in range(1, 40)]
    assert first <= pauses[0] <= first * 1.1
    assert pauses[0] * 2 < pauses[1] < pauses[2]
    assert timedelta(hours=2) <= pauses[-1] <= timedelta(hours=2.2)
    assert sum(pauses[:4], timedelta()) < timedelta(hours=1) < sum(pauses[:5], timedelta()), "five tries in the first hour"
    assert pace.pause(1, first, timedelta(hours=3), "a.example") == timedelta(hours=3)
    assert pace.pause(1, first, timedelta(seconds=1), "a.example") >= first


def test_who_never_failed_has_the_first_turn() -> None:
    records = {host: Certificate(host=host, attempts=attempts) for host, attempts in (("a", 3), ("b", 0), ("c", 1), ("d", 0))}
    assert by_attempts(records) == ["b", "d", "c", "a"]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(str(tmp_path / "home"))
    files.make()
    return files


def issue(files: Files, host: str) -> tuple[str, str]:
    """Chain and key, from somebody's authority."""
    Authority(files, "other", {}).ensure(host)
    chain, begin, key = files.certificate(host).read_text(encoding="utf-8").partition("-----BEGIN PRIVATE KEY-----")
    return chain, begin + key


def test_own_files_in_every_layout(tmp_path: Path, files: Files) -> None:
    folder = tmp_path / "own"
    (folder / "live" / "two").mkdir(parents=True)
    other = Files(str(tmp_path / "other"))
    other.make()
    one, two, three, wild = (issue(other, host) for host in ("one.example", "two.example", "three.example", "*.apps.example"))
    (folder / "one.pem").write_text("\n".join(one), encoding="utf-8")
    (folder / "live" / "two" / "fullchain.pem").write_text(two[0], encoding="utf-8")
    (folder / "live" / "two" / "privkey.pem").write_text(two[1], encoding="utf-8")
    (folder / "three.crt").write_text(three[0], encoding="utf-8")
    (folder / "three.key").write_text(one[1], encoding="utf-8")
    (folder / "wild.pem").write_text("".join(wild), encoding="utf-8")
    (folder / "notes.txt").write_text("none", encoding="utf-8")
    for number, key in enumerate(bad_keys()):
        (folder / f"bad{number}.pem").write_text(one[0] + key, encoding="utf-8")
    (folder / "weak.pem").write_text(weak("weak.example"), encoding="utf-8")
    own = Own(str(folder))
    assert own.look()
    assert not own.look()
    found = {
        host
        for host in ("one.example", "two.example", "three.example", "weak.example", "x.apps.example", "y.x.apps.example")
        if own.find(host)
    }
    assert found == {"one.example", "two.example", "x.apps.example"}, "the key of three.example is another's"
    shown = Shown(files, Authority(files, "i", {}), [own.find])
    assert shown.ensure("one.example")
    assert not shown.ensure("one.example")
    pem = files.certificate("one.example").read_text(encoding="utf-8")
    assert "\n\n" not in pem
    assert "PRIVATE KEY" in pem
    (folder / "one.pem").unlink()
    assert own.look()
    assert shown.ensure("one.example"), "the internal one serves where there is no other"
    assert files.certificate("one.example").stat().st_mode & 0o777 == 0o600


def test_the_zone_is_found_without_asking_anybody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS", "TLDEXTRACT_CACHE_PATH"):
        monkeypatch.setenv(name, "x")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    monkeypatch.setattr("socket.getaddrinfo", lambda *where, **_: asked.append(where) or [])
    client = Zone("apps.example.co.uk", "powerdns", {"auth_token": "x", "pdns_server": "http://127.0.0.1:1"}, 0)._client()
    assert client.config.resolve("lexicon:domain") == "example.co.uk"
    assert not asked
    assert not list(tmp_path.iterdir())


def bad_keys() -> list[str]:
    """One that wants a password, one that is none."""
    key = ec.generate_private_key(ec.SECP256R1())
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
    )
    return [locked.decode(), "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n"]


def weak(host: str) -> str:
    """A pair that fits, of a key so short that TLS refuses it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)  # noqa: S505 - that is what is tested
    name = x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode() + text.decode()


class Later(datetime):
    ahead: ClassVar[timedelta] = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        del tz
        return datetime.now(UTC) + cls.ahead


def test_an_own_certificate_that_ends_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Files(str(tmp_path / "other"))
    other.make()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "one.pem").write_text("".join(issue(other, "one.example")), encoding="utf-8")
    monkeypatch.setattr(own_files, "datetime", Later)
    own = Own(str(tmp_path / "own"))
    assert own.look()
    assert own.find("one.example")
    monkeypatch.setattr(Later, "ahead", timedelta(days=400))
    assert own.look(), "no file changed, yet hosts are to be shown another"
    assert own.find("one.example") is None
    assert not own.look()


@pytest.fixture
def vault() -> Vault:
    return Vault(Fernet.generate_key().decode())


def record(vault: Vault, host: str, pem: str, days: float = 60) -> Certificate:
    ends = datetime.now(UTC) + timedelta(days=days)
    return Certificate(host=host, pem=vault.seal(pem), issued_at=rfc3339(ends - timedelta(days=90)), expires_at=rfc3339(ends))


def test_a_record_that_holds_no_certificate_is_none_and_harms_no_other(tmp_path: Path, files: Files, vault: Vault) -> None:
    changed: list[str] = []
    records = Records(Bus(NatsClient(), "router"), vault, tmp_path / "acme", changed.append)
    records.load()
    chain, key = issue(files, "good.example")
    records._take(key_of("good.example"), record(vault, "good.example", leaf.joined(chain, key)))
    broken = {"cut": chain, "nonsense": "nonsense", "another": leaf.joined(chain, issue(files, "bad.example")[1])}
    for host, pem in broken.items():
        records._take(key_of(host), record(vault, host, pem))
    assert {host for host in (*broken, "good.example") if records.pem(host)} == {"good.example"}
    assert changed == ["good.example", *broken]


def test_a_full_disk_costs_no_certificate(tmp_path: Path, files: Files, vault: Vault) -> None:
    changed: list[str] = []
    records = Records(Bus(NatsClient(), "router"), vault, tmp_path / "acme", changed.append)
    records.load()
    (tmp_path / "acme").rmdir()  # no file can be made in there
    pem = leaf.joined(*issue(files, "a.example"))
    records._take(key_of("a.example"), record(vault, "a.example", pem))
    assert (records.pem("a.example"), changed) == (pem, ["a.example"])
    (tmp_path / "acme").mkdir()
    records.save_again()
    again = Records(Bus(NatsClient(), "router"), vault, tmp_path / "acme", changed.append)
    again.load()
    assert again.pem("a.example") == pem


def test_of_a_hosts_own_and_the_wildcard_the_longer_is_shown(files: Files) -> None:
    key = Fernet.generate_key().decode()
    vault, bus, host = Vault(key), Bus(NatsClient(), "router"), "app.apps.example"
    own, wild = (leaf.joined(*issue(files, name)) for name in (host, "*.apps.example"))
    settings = Settings(home=str(files.root.parent), instance="i", nats_url="nats://", tls="acme", secret_key=key)
    issued = Issued(settings=settings, bus=bus, files=files, table=Table(capacity=1), own=Own(""), router_id="rtr_1")
    assert issued.find(host) is None
    issued._records._take(key_of(host), record(vault, host, own))
    assert issued.find(host) == own
    issued._records._take(key_of("*.apps.example"), record(vault, "*.apps.example", wild, days=80))
    assert issued.find(host) == wild
    issued._records._take(key_of("*.apps.example"), record(vault, "*.apps.example", wild, days=-1))
    assert issued.find(host) == own
    issued._records._take(key_of(host), record(vault, host, own, days=-1))
    assert issued.find(host) is None, "it has ended"
    issued._changed.clear()
    issued._records._take(key_of(host), None)
    assert issued._changed == {host}, "what was shown until now is looked at again"


def test_a_broken_account_key_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "account.key"
    file.write_text("half a k", encoding="utf-8")
    client = Client(Account(directory="https://acme.example", email="", key_file=file))
    assert client._key() == client._key()
    assert (tmp_path / "account.key.broken").read_text(encoding="utf-8") == "half a k"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_dns_hosts_words_do_not_tell_its_token() -> None:
    zone = Zone("apps.example", "powerdns", {"auth_token": "s3cret-t0ken"}, 0)
    assert "s3cret" not in zone.words(ValueError("401 for https://dns.example/?key=s3cret-t0ken"))
    assert zone.words(ValueError()) == "ValueError"
