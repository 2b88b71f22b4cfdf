"""Events of a real engine."""

import asyncio
from collections.abc import Callable

import pytest

from libs.common.engine import containers, events
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway
from libs.common.engine.spec import ContainerSpec
from tests import images
from tests.servers.gateway import Gateway

Spec = Callable[..., ContainerSpec]


async def test_a_life_in_events(engine: Engine, instance: str, spec: Spec) -> None:
    watch = events.watch(engine, instance)
    other = events.watch(engine, "somebody-else")
    container = await containers.create(engine, spec(images.exits(3)))
    await containers.start(engine, container)
    async with asyncio.timeout(20):
        await engine.call(engine.long.wait, container)
    await containers.remove(engine, container)
    seen = []
    async with asyncio.timeout(10):
        async for event in watch:
            seen.append(event)
            if event.action == "destroy":
                break
    assert [event.action for event in seen] == ["create", "start", "die", "destroy"]
    assert {event.container_id for event in seen} == {container}
    assert seen[2].attributes["exitCode"] == "3"
    assert seen[2].attributes["dockup.instance"] == instance
    await watch.aclose()
    await other.aclose()
    assert [event async for event in other] == []


async def test_closing_ends_a_quiet_watch_at_once(engine: Engine, instance: str) -> None:
    watch = events.watch(engine, instance)
    reader = asyncio.create_task(anext(watch))
    async with asyncio.timeout(20):
        await watch.opened.wait()
        await watch.aclose()
        with pytest.raises(StopAsyncIteration):
            await reader


async def test_a_broken_connection_says_that_the_engine_is_away(instance: str, gateway: Gateway) -> None:
    engine = await Engine.open(gateway.address)
    watch = events.watch(engine, instance)
    await watch.opened.wait()
    gateway.cut()
    async with asyncio.timeout(20):
        for quiet in (watch, events.watch(engine, instance)):
            with pytest.raises(EngineAway):
                await anext(quiet)
        with pytest.raises(EngineAway):
            await engine.ping()
        await gateway.open()
        await engine.ping()
    engine.close()


async def test_closing_the_engine_ends_its_watches(instance: str, gateway: Gateway) -> None:
    engine = await Engine.open(gateway.address)
    watch = events.watch(engine, instance)
    await watch.opened.wait()
    engine.close()
    async with asyncio.timeout(20):
        with pytest.raises(EngineAway):
            await anext(watch)
