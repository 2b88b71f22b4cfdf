"""An app that goes while the proxy is told of it: by a listing of the bucket without it, or by its last route."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from libs.common.bus import Bus
from libs.common.messages.runtime import Route, Upstream
from services.router import live, render
from services.router.announce import Announcer
from services.router.apply import Applier
from services.router.drain import Drains
from services.router.files import Files
from services.router.frame import Frame
from services.router.handlers import Router
from services.router.haproxy import HAProxy
from services.router.proxy import Proxy
from services.router.settings import Settings
from services.router.table import Table
from services.router.waker import Waker
from tests.servers.ports import free_ports

SERVER = Upstream(name="a-1", address="127.0.0.1", port=9, draining_since=None)
THERE = Route(app_id="app_1", slug="a", revision=1, hosts=("a.localhost",), upstreams=(SERVER,))
GONE = Route(app_id="app_1", slug="a", revision=2, hosts=(), former_hosts=("a.localhost",), upstreams=())


async def test_a_listing_without_it_ends_nothing(bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, files, table = Settings(home=str(tmp_path), instance="i", nats_url=""), Files(str(tmp_path)), Table(capacity=1)
    files.make()
    process, announcer = HAProxy(files), Announcer(bus, "rtr_1")
    frame = Frame(settings=settings, files=files, probe_token="t", waker="w", maxconn=100, threads=1)
    applier = Applier(table=table, frame=frame, haproxy=process, shown=None)
    drains = Drains(table=table, files=files, applier=applier, announcer=announcer)
    proxy = Proxy(settings=settings, files=files, table=table, haproxy=process, applier=applier, listed=asyncio.Event())
    waker = Waker(bus, table, name="w", seconds=1)
    router = Router(table=table, proxy=proxy, applier=applier, announcer=announcer, drains=drains, waker=waker)

    async def apply(_apps: Collection[str]) -> None:
        table.forget(())

    monkeypatch.setattr(applier, "apply", apply)
    router.touch(table.take(GONE))
    proxy.serving.set()
    running = asyncio.create_task(router.run())
    async with asyncio.timeout(30):
        while not running.done() and announcer.revision("app_1") < GONE.revision:
            await asyncio.sleep(0.005)
    assert not running.done()
    assert table.routes == {}
    running.cancel()


async def test_its_last_route_takes_its_host_out(home: Path) -> None:
    """Or the host would lead to whatever app has the backend next."""
    http, https = free_ports(2)
    settings = Settings(home=str(home), instance="i", nats_url="", tls="off", http_port=http, https_port=https, bind="127.0.0.1")
    files, table, listed = Files(str(home)), Table(capacity=1), asyncio.Event()
    files.make()
    listed.set()
    process = HAProxy(files)
    frame = Frame(settings=settings, files=files, probe_token="t", waker="w", maxconn=100, threads=1)
    applier = Applier(table=table, frame=frame, haproxy=process, shown=None)
    proxy = Proxy(settings=settings, files=files, table=table, haproxy=process, applier=applier, listed=listed)
    keeping = asyncio.create_task(proxy.keep())
    try:
        async with asyncio.timeout(30):
            await proxy.serving.wait()
            table.take(THERE)
            applying = asyncio.create_task(applier.apply([THERE.app_id]))
            while applier.live is None or not applier.live.hosts:
                await asyncio.sleep(0)
            assert not applying.done()
            table.take(GONE)
            await applying
            await applier.apply([GONE.app_id])
        found = await live.read(files, tls=False)
        assert found.hosts == {}
        assert set(found.servers[render.backend(0)].values()) <= {"maint"}
        assert table.slots == {}
    finally:
        keeping.cancel()
        await process.end_leftovers()
