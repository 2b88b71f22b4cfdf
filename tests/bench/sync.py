"""A sync of 100 containers: its wall time, and the processor time that it takes of the engine and of the service, beside a bare list."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from libs.common import ids
from libs.common.bus import Bus
from libs.common.engine import containers, networks
from libs.common.engine.connect import Engine
from libs.common.engine.spec import ContainerSpec, create_body
from services.metrics.handlers import ENGINE_EVENTS
from services.metrics.history.keeper import History
from services.metrics.latest import Latest
from services.metrics.observe import Observer
from services.metrics.settings import Settings
from services.metrics.traffic import Inflow
from tests import images
from tests.bench.raw import LABELS
from tests.bench.results import Figures, median, p95
from tests.servers.nats import NatsServer
from tests.stack import Stack

CONTAINERS = 100
_ROUNDS = 50
_PID_FILE = Path("/var/run/docker.pid")
_AT_ONCE = 4
_SUBNET = "10.127.78.0/24"


async def measure(_stack: Stack, _rounds: int) -> Figures:
    """On containers of an installation of its own, so that the stack's apps are not counted."""
    engine = await Engine.open("unix:///var/run/docker.sock")
    instance = ids.new("bench")
    network = await networks.ensure(engine, instance, LABELS, _SUBNET)
    try:
        async with _observer(instance) as observer:
            await _make(engine, instance)
            return await _measure(engine, instance, observer)
    finally:
        for each in await containers.list_ours(engine, instance):
            await containers.remove(engine, each.id)
        await networks.remove(engine, network.id)
        engine.close()


@contextlib.asynccontextmanager
async def _observer(instance: str) -> AsyncIterator[Observer]:
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(Path(folder))
        server.start()
        bus = await Bus.connect(server.url, "metrics")
        history = History(Path(folder) / "history.db", 30)
        settings = Settings(home=folder, instance=instance, nats_url=server.url)
        observer = Observer(settings, bus, Latest("", 30), history, Inflow(5))
        listening = asyncio.create_task(observer.listen(ENGINE_EVENTS))
        try:
            yield observer
        finally:
            listening.cancel()
            observer.close()
            history.close()
            await bus.close()
            server.kill()


async def _make(engine: Engine, instance: str) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        spec = ContainerSpec(
            name=f"{instance}-{number}",
            image_id=images.silent(),
            labels={"dockup.instance": instance, "dockup.app": f"app_{number}", "dockup.release": "1"},
            env={},
            command=None,
            network=instance,
            address=None,
            port=8080,
            cpu=None,
            memory=None,
        )
        async with gate:
            made = await engine.call(engine.api.create_container_from_config, create_body(spec), spec.name)
            await containers.start(engine, str(made["Id"]))

    async with asyncio.TaskGroup() as group:
        for number in range(CONTAINERS):
            group.create_task(one(number))


async def _measure(engine: Engine, instance: str, observer: Observer) -> Figures:
    for _ in range(3):
        await observer.beat()
    one = (await containers.list_ours(engine, instance))[0].id
    quiet = await _beats(observer, lambda: None)
    told = await _beats(observer, lambda: observer.inventory.touch(one))
    anew = await _beats(observer, observer.inventory.miss)
    lists = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        await containers.list_ours(engine, instance)
        lists.append((time.perf_counter() - started) * 1000)
    walls = quiet.walls
    return {
        "containers": CONTAINERS,
        "sync median ms (under 50)": median(walls),
        "sync p95 ms": p95(walls),
        "engine CPU ms a sync (under 10)": quiet.engine,
        "service CPU ms a sync": quiet.service,
        "after an event: sync median ms": median(told.walls),
        "after an event: engine CPU ms": told.engine,
        "all asked anew: sync median ms": median(anew.walls),
        "all asked anew: engine CPU ms": anew.engine,
        "bare list median ms": median(lists),
        "samples_ms": {"sync": walls, "after an event": told.walls, "anew": anew.walls, "list": lists},
    }


class _Beats(NamedTuple):
    """Milliseconds: of each beat, and on average of the processors' time of the engine and of this process."""

    walls: list[float]
    engine: float
    service: float


async def _beats(observer: Observer, happens: Callable[[], None]) -> _Beats:
    """`happens` before each: nothing, an event of one container, or what makes the engine be asked for its whole list."""
    walls = []
    ours, engines = time.process_time(), _engine_seconds()
    for _ in range(_ROUNDS):
        happens()
        started = time.perf_counter()
        samples = await observer.beat()
        walls.append((time.perf_counter() - started) * 1000)
        assert samples is not None
        assert sum(sample.memory_usage is not None for sample in samples) == CONTAINERS
    ours, engines = (time.process_time() - ours) * 1000 / _ROUNDS, (_engine_seconds() - engines) * 1000 / _ROUNDS
    return _Beats(walls, round(engines, 2), round(ours, 2))


def _engine_seconds() -> float:
    """Processor time of dockerd, all threads."""
    fields = Path(f"/proc/{int(_PID_FILE.read_text(encoding='ascii'))}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
