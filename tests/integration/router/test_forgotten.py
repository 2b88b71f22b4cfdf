"""An app that is gone leaves the table while the proxy is told of it: the bucket was listed in between, without it."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from libs.common.bus import Bus
from libs.common.messages.runtime import Route
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

GONE = Route(app_id="app_1", slug="a", revision=2, hosts=(), former_hosts=("a.localhost",), upstreams=())


async def test_that_ends_nothing(bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
