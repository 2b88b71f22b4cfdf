"""Certificates from an ACME authority: asked for over the proxy itself, renewed in time, and each name on its own."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.fernet import Fernet

from libs.common import subjects
from libs.common.bucket import Bucket, Mirror
from libs.common.bus import Bus, BusAway
from libs.common.messages.router import Certificate
from services.router.acme.records import key_of
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, until
from tests.servers.dns import DnsServer
from tests.servers.nats import NatsServer
from tests.servers.pebble import PebbleServer
from tests.servers.powerdns import TOKEN, PowerDnsApi
from tests.stack import eventually

GOOD, BAD, BLOCKED = "www.good.example", "www.bad.example", "www.blocked.example"
BASE = "apps.example.com"
LIFE = 14


@pytest.fixture
def names(tmp_path: Path) -> Iterator[DnsServer]:
    server = DnsServer(tmp_path)
    server.start()
    server.lead(GOOD, "127.0.0.1")
    yield server
    server.stop()


@pytest.fixture
def authority(request: pytest.FixtureRequest, tmp_path: Path, names: DnsServer, stack: Stack) -> Iterator[PebbleServer]:
    life = getattr(request, "param", 3600)
    server = PebbleServer(tmp_path, names, stack.http_port, life=life, blocked=[BLOCKED])
    server.start()
    stack.set(
        tls="acme",
        acme_directory=server.directory,
        acme_ca_file=str(server.ca_file),
        acme_email="ada@example.com",
        acme_retry_seconds="1",
        secret_key=Fernet.generate_key().decode(),
    )
    yield server
    server.stop()


@pytest.fixture
async def records(bus: Bus) -> AsyncIterator[dict[str, Certificate]]:
    """The shared records, by host, as they are now."""
    found: dict[str, Certificate] = {}

    def note(_key: str, entry: Certificate | None) -> None:
        if entry is not None:
            found[entry.host] = entry

    mirror = Mirror(bus, subjects.CERTIFICATES, Certificate, on_change=note)
    task = asyncio.create_task(mirror.run())
    yield found
    task.cancel()


async def shown(stack: Stack, host: str, trust: ssl.SSLContext) -> x509.Certificate:
    """The certificate that a visitor is shown; raises unless they trust it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.https_port, ssl=trust, server_hostname=host)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    del reader
    return x509.load_der_x509_certificate(der)


@pytest.mark.long
@pytest.mark.parametrize("authority", [LIFE], indirect=True)
async def test_issued_and_renewed_beside_one_that_fails(
    stack: Stack, authority: PebbleServer, names: DnsServer, records: dict[str, Certificate], replicas: list[Replica]
) -> None:
    await stack.start()
    await stack.route("app", replicas[0].upstream(), hosts=("app-app.localhost", GOOD))
    await stack.route("bad", replicas[1].upstream(), hosts=("bad-app.localhost", BAD, BLOCKED))
    await until(lambda: GOOD in records and records[GOOD].pem)
    await until(lambda: all(host in records and records[host].attempts for host in (BAD, BLOCKED)))
    trust = authority.trust()
    first = await until_shown(stack, GOOD, trust)
    assert BAD in records[BAD].error or "No valid IP" in records[BAD].error, records[BAD].error
    assert "rejectedIdentifier" in records[BLOCKED].error
    assert "PRIVATE" not in records[GOOD].pem, "keys travel encrypted"
    internal = ssl.create_default_context(cafile=str(stack.root))
    for host in (BAD, BLOCKED, "app-app.localhost"):
        await shown(stack, host, internal)
    key = stack.files / "acme" / "account.key"
    assert key.stat().st_mode & 0o777 == 0o600
    await until(lambda: records[BAD].attempts > 1)
    names.lead(BAD, "127.0.0.1")
    await until(lambda: records[GOOD].renewals > 0 and bool(records[BAD].pem), seconds=60)
    assert (await until_shown(stack, GOOD, trust, other_than=first)).serial_number != first.serial_number
    await until_shown(stack, BAD, trust)
    assert records[BLOCKED].attempts < 6, "a name that fails is asked for ever less often"


async def until_shown(stack: Stack, host: str, trust: ssl.SSLContext, other_than: x509.Certificate | None = None) -> x509.Certificate:
    """What a visitor is shown, as soon as they trust it and it is another one."""
    async with asyncio.timeout(15):
        while True:
            with contextlib.suppress(ssl.SSLCertVerificationError):
                if (found := await shown(stack, host, trust)) != other_than:
                    return found
            await asyncio.sleep(0.02)


@pytest.mark.long
async def test_what_the_bus_lost_comes_back_from_the_router(
    stack: Stack, authority: PebbleServer, records: dict[str, Certificate], replicas: list[Replica], nats_server: NatsServer
) -> None:
    """Certificates, and what was said of them; nothing is asked for again. Without the bus they are shown all the same."""
    await stack.start()
    await stack.route("app", replicas[0].upstream(), hosts=("app-app.localhost", GOOD))
    await until(lambda: GOOD in records and records[GOOD].pem)
    trust = authority.trust()
    before = await until_shown(stack, GOOD, trust)
    nats_server.kill()
    nats_server.wipe()
    stack.kill_router()
    os.kill(stack.haproxy_pid, signal.SIGKILL)
    stack.launch()
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                assert await shown(stack, GOOD, trust) == before
                break
            await asyncio.sleep(0.05)
    nats_server.start()
    nats_server.ensure()
    assert await eventually(lambda: _serial(stack.bus), what="the record") == f"{before.serial_number:x}"
    said = await eventually(lambda: _said(nats_server), what="the event")
    assert said["host"] == GOOD


async def test_two_routers_share_the_work(
    stack: Stack, authority: PebbleServer, records: dict[str, Certificate], replicas: list[Replica]
) -> None:
    """One asks, any answers the challenge, and all show what came of it: the authority comes to the first, whoever asked."""
    other = Stack(Path(tempfile.mkdtemp(prefix="dk-")), stack.nats, stack.bus)
    other.set(**stack.settings)
    try:
        await other.start()
        await stack.start()
        await stack.route("app", replicas[0].upstream(), hosts=("app-app.localhost", GOOD))
        trust = authority.trust()
        first, second = await until_shown(stack, GOOD, trust), await until_shown(other, GOOD, trust)
        assert first == second
        await until(lambda: GOOD in records and records[GOOD].pem)
        assert records[GOOD].renewals == 0
    finally:
        other.end()
        shutil.rmtree(other.home, ignore_errors=True)


async def test_a_wildcard_for_the_base_domain(
    stack: Stack, authority: PebbleServer, names: DnsServer, records: dict[str, Certificate], replicas: list[Replica]
) -> None:
    """By DNS-01: one certificate for every app's host, and the record is gone afterwards."""
    host = PowerDnsApi(names)
    options = f"auth_token={TOKEN},pdns_server={host.url}"
    stack.set(base_domain=BASE, acme_dns_provider="powerdns", acme_dns_options=options, acme_dns_seconds="0")
    try:
        await stack.start()
        await stack.route("app", replicas[0].upstream(), hosts=(f"app-app.{BASE}",))
        await until(lambda: f"*.{BASE}" in records and records[f"*.{BASE}"].pem, seconds=30)
        found = await until_shown(stack, f"app-app.{BASE}", authority.trust())
        assert found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [
            f"*.{BASE}"
        ]
        assert f"app-app.{BASE}" not in records
        assert host.written == [f"_acme-challenge.{BASE}."]
        assert host.records == {f"_acme-challenge.{BASE}.": []}
    finally:
        host.stop()


async def _serial(bus: Bus) -> str:
    try:
        found = await Bucket(bus, subjects.CERTIFICATES, Certificate).get(key_of(GOOD))
    except BusAway:
        return ""
    return found[0].serial if found else ""


async def _said(nats_server: NatsServer) -> dict[str, str]:
    bus = await Bus.connect(nats_server.url, "api")
    try:
        found = await bus.next_kept(subjects.EVENTS, "dockup.evt.router.CertificateIssued.>", 1)
    finally:
        await bus.close()
    return dict(json.loads(found.data)) if found and found.data else {}
