"""Asking a host whose addresses were checked: of several, one that takes connections is enough."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.common.address import Address
from libs.common.asking import asked
from libs.common.egress import Route
from tests.servers.ports import free_port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a host that listens on 127.0.0.1 alone and answers with what it was sent."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(4) if head.startswith(b"POST") else b"none"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def pieces() -> AsyncIterator[bytes]:
    for piece in (b"wo", b"rd"):
        yield piece


async def told(port: int, addresses: tuple[str, ...]) -> bytes:
    address = Address(scheme="http", host="host.example", port=port, path="/")
    route = Route(host="host.example", port=port, addresses=addresses, allowed=True)
    async with asked(address, route, seconds=10, method="POST", headers={"Content-Length": "4"}, body=pieces()) as answer:
        return await answer.aread()


async def test_the_first_address_that_takes_a_connection(port: int) -> None:
    assert await told(port, ("::1", "127.0.0.2", "127.0.0.1")) == b"word"


async def test_none_takes_one() -> None:
    with pytest.raises(httpx.ConnectError):
        await told(free_port(), ("::1", "127.0.0.1"))
