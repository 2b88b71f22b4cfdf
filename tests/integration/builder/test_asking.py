"""One request to an address that was checked: to it alone, by its name in TLS, and word for word."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from libs.common import asking
from libs.common.address import address_of
from libs.common.asking import asked
from libs.common.egress import Route

ANSWER = b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 5\r\n\r\nhello"
PATH = "//a%2Fb/../c?X-Sig=a%2Fb%20c&d='e'"


class Host:
    """Answers every request alike over TLS, with a certificate for git.example alone; `heads` are what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = folder / "cert.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj"]
        names = ["/CN=git.example", "-addext", "subjectAltName=DNS:git.example"]
        subprocess.run([*command, *names, "-keyout", str(key), "-out", str(self.certificate)], check=True, capture_output=True)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(self.certificate, key)
        self.heads: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(ANSWER)
        await writer.drain()
        writer.close()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    server = await asyncio.start_server(host.answer, "127.0.0.1", 0, ssl=host.tls)
    host.port = server.sockets[0].getsockname()[1]
    yield host
    server.close()


@pytest.fixture(autouse=True)
def trust(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine trusts that certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(host.certificate))
    asking._trusted.cache_clear()
    yield
    asking._trusted.cache_clear()


def route(host: Host, name: str) -> Route:
    return Route(host=name, port=host.port, addresses=("127.0.0.1",), allowed=True)


async def test_to_the_checked_address_by_the_name_and_word_for_word(host: Host) -> None:
    address = address_of(f"https://git.example:{host.port}{PATH}")
    async with asked(address, route(host, "git.example"), seconds=5, headers={"X-A": "b"}) as answer:
        assert (answer.status_code, await answer.aread()) == (302, b"hello")
    head = host.heads[0].splitlines()
    assert head[0] == f"GET {PATH} HTTP/1.1"
    assert {f"Host: git.example:{host.port}", "X-A: b"} <= set(head)
    assert len(host.heads) == 1, "no redirect is followed"


async def test_a_certificate_of_another_name_is_none(host: Host) -> None:
    address = address_of(f"https://other.example:{host.port}/")
    with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
        async with asked(address, route(host, "other.example"), seconds=5):
            pass
    assert not host.heads


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "https:///b", "https://a:99999/", "https://a/b c", "https://a/\r\nX: y", "https://a/é", "//a"]
)
async def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"no address|out of range"):
        address_of(url)
