"""What the engine is asked for, and what of it, on a real engine."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common import ids
from libs.common.bus import Bus
from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway
from libs.common.engine.events import watch
from libs.common.engine.spec import ContainerSpec, create_body
from libs.common.states import ReplicaState
from services.metrics.history.keeper import History
from services.metrics.inventory import Inventory
from services.metrics.latest import Latest
from services.metrics.observe import Observer
from services.metrics.settings import Settings
from services.metrics.traffic import Inflow
from tests import images
from tests.conftest import DOCKER_HOST
from tests.integration.metrics.conftest import WAIT, Make, of
from tests.servers.gateway import Gateway
from tests.servers.nats import NatsServer
from tests.stack.eventually import eventually


@pytest.fixture
async def inventory(engine: Engine) -> AsyncIterator[Inventory]:
    """Of an installation without a container, whose events are followed."""
    inventory = Inventory(ids.new("t"))
    inventory.watch = watch(engine, inventory._instance)
    async with asyncio.timeout(WAIT):
        await inventory.watch.opened.wait()
    yield inventory
    for seen in await containers.list_ours(engine, inventory._instance):
        await containers.remove(engine, seen.id)
    await inventory.watch.aclose()


async def make_one(engine: Engine, instance: str) -> str:
    spec = ContainerSpec(
        name=f"dk-{ids.new('x')}",
        image_id=images.silent(),
        labels={"dockup.instance": instance, "dockup.app": ids.new("app"), "dockup.release": "1"},
        env={},
        command=None,
        network="none",
        address=None,
        port=8080,
        cpu=None,
        memory=None,
    )
    made = await engine.call(engine.api.create_container_from_config, create_body(spec), spec.name)
    await containers.start(engine, str(made["Id"]))
    return str(made["Id"])


async def states(inventory: Inventory, engine: Engine) -> dict[str, ReplicaState]:
    listed, usages = await inventory.look(engine)
    assert usages.keys() == {seen.id for seen in listed if seen.state is ReplicaState.RUNNING}
    assert inventory.is_current
    return {seen.id: seen.state for seen in listed}


async def test_the_engine_is_asked_for_what_events_named(inventory: Inventory, engine: Engine) -> None:
    """And for all where something may have been missed, or a container's files are gone that no event told of."""
    first, second = [await make_one(engine, inventory._instance) for _ in range(2)]
    assert await states(inventory, engine) == dict.fromkeys((first, second), ReplicaState.RUNNING)
    third, fourth = [await make_one(engine, inventory._instance) for _ in range(2)]
    inventory.touch(third)
    assert not inventory.is_current
    assert (await states(inventory, engine)).keys() == {first, second, third}, "of the fourth nobody told"
    await containers.remove(engine, first)
    await engine.call(engine.api.pause, third)
    inventory.touch(first)
    inventory.touch(third)
    listed, _ = await inventory.look(engine)
    assert {seen.id: seen.state for seen in listed} == {second: ReplicaState.RUNNING, third: ReplicaState.PAUSED}
    await engine.call(engine.api.unpause, third)
    inventory.miss()
    assert not inventory.is_current
    assert (await states(inventory, engine)).keys() == {second, third, fourth}
    await containers.kill(engine, second)

    async def ended() -> bool:
        return {seen.id: seen.state for seen in (await inventory.look(engine))[0]}[second] is ReplicaState.EXITED

    await eventually(ended, what="an end that no event told of")


async def test_an_engine_that_fails_while_it_is_opened_leaves_nothing(nats_server: NatsServer, tmp_path: Path) -> None:
    """As one does that is starting: it says its version, and not yet what it is."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"ApiVersion": "1.41"}'
        with contextlib.suppress(asyncio.IncompleteReadError):
            while b"/version" in await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_unix_server(answer, str(tmp_path / "sock"))
    settings = Settings(home=str(tmp_path), instance="t", nats_url=nats_server.url, docker_host=f"unix://{tmp_path}/sock")
    bus = await Bus.connect(nats_server.url, "metrics")
    history = History(tmp_path / "history.db", 30)
    observer = Observer(settings, bus, Latest("", 30), history, Inflow(5))
    for _ in range(5):
        with pytest.raises(EngineAway):
            await observer.open()

    async def none_left() -> bool:
        return not [thread for thread in threading.enumerate() if thread.name.startswith("engine")]

    await eventually(none_left, what="the end of the threads")
    history.close()
    await bus.close()
    server.close()


@pytest.mark.long
async def test_an_engine_that_returns_is_looked_at_anew(make: Make, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "engine.sock", DOCKER_HOST.removeprefix("unix://"))
    await gateway.open()
    station = await make(gateway.address)
    first, second = ids.new("app"), ids.new("app")
    await station.run(first, "exec sleep 1000")
    await station.until(lambda seen: of(seen, first) is not None)
    gateway.cut()
    await station.until(lambda seen: not seen.engine_ok)
    await station.run(second, "exec sleep 1000")
    await containers.remove(station.engine, station.made[0])
    await gateway.open()
    await station.until(lambda seen: of(seen, second) is not None and of(seen, first) is None)
    gateway.cut()
