"""Custom domains on a whole Dockup, with a real name server and a real ACME authority beside it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.e2e.conftest import Desk
from tests.servers.dns import DnsServer
from tests.servers.pebble import PebbleServer
from tests.stack import Stack, eventually

Json = dict[str, Any]
GOOD, BAD = "www.good.example", "www.bad.example"
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.9"
LIFE = 18


@pytest.fixture
def names(tmp_path: Path) -> Iterator[DnsServer]:
    server = DnsServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def certified(tmp_path: Path, names: DnsServer) -> Iterator[tuple[Stack, PebbleServer]]:
    """A Dockup whose domains have certificates from an authority that looks for them where our name server says."""
    stack = Stack(sync_seconds="2", dns_server=names.address, public_addresses=HERE, tls="acme", acme_retry_seconds="1")
    authority = PebbleServer(tmp_path, names, stack.http_port, life=LIFE)
    stack.environ |= {"DOCKUP_ACME_DIRECTORY": authority.directory, "DOCKUP_ACME_CA_FILE": str(authority.ca_file)}
    try:
        authority.start()
        stack.up()
        yield stack, authority
    finally:
        stack.destroy()
        authority.stop()


@pytest.fixture
async def owner(certified: tuple[Stack, PebbleServer]) -> AsyncIterator[Desk]:
    stack, _ = certified
    async with stack.client() as api:
        yield Desk(stack, api)


async def domain(owner: Desk, app: Json, name: str, status: str) -> Json:
    """The domain, as soon as its certificate has that status."""

    async def ask() -> Json:
        found = await owner.call("GET", f"/apps/{app['id']}/domains/{name}")
        assert found["certificate"]["status"] == status, found
        return found

    return await eventually(ask, what=f"the certificate of {name}")


async def visit(stack: Stack, host: str, trust: ssl.SSLContext) -> tuple[bytes, x509.Certificate]:
    """The first line that a visitor gets, and the certificate that they are shown; raises unless they trust it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.https_port, ssl=trust, server_hostname=host)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        return line, x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        writer.close()


async def test_a_certificate_issued_and_renewed_beside_one_that_fails(
    certified: tuple[Stack, PebbleServer], owner: Desk, names: DnsServer
) -> None:
    stack, authority = certified
    names.lead(GOOD, HERE)
    names.lead(BAD, ELSEWHERE)
    app = await owner.live()
    bad = await owner.call("POST", f"/apps/{app['id']}/domains", json={"name": BAD})
    assert (bad["status"], bad["dns"]["found"], bad["certificate"]["status"]) == ("pending", [ELSEWHERE], "none")
    names.prove(bad["verification"]["name"], bad["verification"]["value"])
    bad = await owner.call("POST", f"/apps/{app['id']}/domains/{BAD}/check")
    assert (bad["status"], bad["dns"]["ok"]) == ("active", False)
    good = await owner.call("POST", f"/apps/{app['id']}/domains", json={"name": GOOD})
    assert (good["status"], good["certificate"]["status"]) == ("active", "pending")

    issued = (await domain(owner, app, GOOD, "active"))["certificate"]
    assert "Pebble" in issued["issuer"]
    failed = (await domain(owner, app, BAD, "failed"))["certificate"]
    assert "connection" in failed["error"]
    assert failed["retry_at"] > failed_at(await owner.event(app["id"], "certificate.failed"))
    trust = authority.trust()
    line, first = await eventually(lambda: _visit(stack, GOOD, trust), what="the certificate at the proxy")
    assert line.startswith(b"HTTP/1.1 200")
    line, _ = await visit(stack, BAD, stack.trust())
    assert line.startswith(b"HTTP/1.1 200"), "the internal certificate serves meanwhile"

    front = {"redirects": [{"from": BAD, "to": GOOD}], "basic_auth": [{"username": "ada", "password": "a long password"}]}
    await owner.call("PUT", f"/apps/{app['id']}", json=front)

    async def guarded() -> bool:
        sent_on, _ = await visit(stack, BAD, stack.trust())
        kept_out, _ = await visit(stack, GOOD, trust)
        return (sent_on.split()[1], kept_out.split()[1]) == (b"308", b"401")

    await eventually(guarded, what="the redirect and the guard at the proxy")
    deployment = await owner.deploy(app["id"])
    assert deployment["status"] == "live", "a deployment passes the guard"
    await owner.call("PUT", f"/apps/{app['id']}", json={"redirects": [], "basic_auth": []})
    await owner.event(app["id"], "certificate.renewed")

    async def renewed() -> bool:
        line, second = await visit(stack, GOOD, trust)
        return line.startswith(b"HTTP/1.1 200") and second.serial_number != first.serial_number

    await eventually(renewed, what="the renewed certificate at the proxy")
    assert (await domain(owner, app, GOOD, "active"))["certificate"]["expires_at"] > issued["expires_at"]
    await owner.call("DELETE", f"/apps/{app['id']}", params={"wait": 60})


def failed_at(event: Json) -> str:
    at: str = event["at"]
    return at


async def _visit(stack: Stack, host: str, trust: ssl.SSLContext) -> tuple[bytes, x509.Certificate] | None:
    with contextlib.suppress(ssl.SSLCertVerificationError):
        return await visit(stack, host, trust)
    return None
