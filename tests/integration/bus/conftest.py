"""A connection, commands, and a worker that takes them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.messages.builder import CollectImages, PrepareImage
from libs.common.worker import Worker
from tests.servers.nats import NatsServer

Take = Callable[[msgspec.Struct], Awaitable[None]]


async def until(condition: Callable[[], object], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_server.url, "builder")
    yield bus
    await bus.close()


def prepare(number: int) -> PrepareImage:
    return PrepareImage(command_id=f"c{number}", app_id=ids.new("app"), deployment_id="dep_1", release=number, reference="web:1")


async def send(bus: Bus, message: PrepareImage | CollectImages) -> int:
    return await bus.publish(subjects.command("builder", message, message.app_id), message, message.command_id)


@asynccontextmanager
async def working(bus: Bus, take: Take) -> AsyncIterator[Worker]:
    async def ready() -> bool:
        return True

    working = Worker(bus, {PrepareImage: take}, count=2, ready=ready)
    task = asyncio.create_task(working.run())
    yield working
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def buried(bus: Bus) -> bool:
    return bool((await bus.js.stream_info(subjects.DEADLETTER)).state.messages)


async def until_true(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
