"""A service that starts before the bus is there: what it asks too early must not spoil what it asks later."""

import asyncio
import contextlib
from pathlib import Path

from nats.aio.client import Client

from libs.common import subjects
from libs.common.bucket import Bucket, Mirror
from libs.common.bus import Bus, BusAway
from libs.common.messages.router import Applied
from tests.servers.nats import NatsServer

ENTRY = Applied(app_id="app_1", router_id="r1", revision=1)


async def write_until_taken(bucket: Bucket[Applied]) -> None:
    while True:
        with contextlib.suppress(BusAway):
            await bucket.put("app_1.r1", ENTRY)
            return
        await asyncio.sleep(0)


async def test_what_was_asked_too_early_is_answered_later(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    server.start()
    server.ensure()
    server.kill()
    bus = Bus(Client(), "router")
    mirror = Mirror(bus, subjects.APPLIED, Applied)
    work = [
        asyncio.create_task(bus.open(server.url)),
        asyncio.create_task(mirror.run()),
        asyncio.create_task(write_until_taken(Bucket(bus, subjects.APPLIED, Applied))),
    ]
    try:
        await asyncio.sleep(0.3)  # several attempts to connect fail meanwhile
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(10):
            await work[2]
            await mirror.listed.wait()
            while mirror.entries.get("app_1.r1") != ENTRY:
                await asyncio.sleep(0.01)
    finally:
        for task in work:
            task.cancel()
        await asyncio.wait(work)
        await bus.close()
        server.kill()
