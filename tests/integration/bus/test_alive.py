"""The health check of a container: a service that answers on the bus is alive, and one on another host does not answer for it."""

import socket

import pytest

from libs.common import alive
from libs.common.bus import Bus
from libs.common.service import answer_pings
from tests.servers.nats import NatsServer


async def waiting() -> tuple[str, str]:
    return "degraded", "the engine is away"


async def test_who_answers_is_alive_whatever_it_waits_for(nats_server: NatsServer) -> None:
    url = nats_server.url.replace("//", "//builder:any@")
    bus = await Bus.connect(url, "builder")
    try:
        await answer_pings(bus, waiting)
        pong = await alive.ask(url, socket.gethostname())
        assert pong
        assert (pong.status, pong.detail) == ("degraded", "the engine is away")
    finally:
        await bus.close()


async def test_nobody_answers_for_another(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "SECONDS", 0.3)
    url = nats_server.url.replace("//", "//builder:any@")
    bus = await Bus.connect(url, "builder")
    try:
        await answer_pings(bus, waiting)
        assert await alive.ask(url, "another-host") is None
    finally:
        await bus.close()


async def test_a_bus_that_is_away_is_no_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert await alive.ask(f"nats://builder:any@127.0.0.1:{taken.getsockname()[1]}", socket.gethostname()) is None
