"""A metrics service in this process, on a real engine, bus and Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.engine.spec import ContainerSpec, create_body
from libs.common.messages.metrics import Observation, ReplicaSample
from services.metrics.__main__ import serve
from services.metrics.settings import Settings
from tests import images
from tests.conftest import DOCKER_HOST
from tests.servers.nats import NatsServer
from tests.servers.redis import RedisServer

WAIT = 15.0
Seen = Callable[[Observation], bool]


class Station:
    """A running metrics service, and an ear on what it says."""

    def __init__(self, settings: Settings, service: Bus, ear: Bus, engine: Engine) -> None:
        self.settings = settings
        self.ear = ear
        self.engine = engine
        self.heard: asyncio.Queue[Observation] = asyncio.Queue()
        self.made: list[str] = []
        self._service = service
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        async def hear(body: bytes) -> None:
            self.heard.put_nowait(msgspec.json.decode(body, type=Observation))

        await self.ear.listen(subjects.OBSERVATION, hear)
        self._task = asyncio.create_task(serve(self.settings, self._service))

    async def restart(self) -> None:
        """Another process of the service, on the connection of the first."""
        await self._end()
        self._task = asyncio.create_task(serve(self.settings, self._service))

    async def _end(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=WAIT)
            assert self._task.done(), "it does not stop when it is told to"

    async def stop(self) -> None:
        await self._end()
        for container_id in self.made:
            await containers.remove(self.engine, container_id)

    async def until(self, wanted: Seen) -> Observation:
        async with asyncio.timeout(WAIT):
            while not wanted(seen := await self.heard.get()):
                pass
        return seen

    async def run(self, app_id: str, script: str, instance: str = "") -> str:
        """Start a container of the app that runs `script` by busybox."""
        spec = ContainerSpec(
            name=f"dk-{app_id}-web-r1.0-0",
            image_id=images.web(),
            labels={"dockup.instance": instance or self.settings.instance, "dockup.app": app_id, "dockup.release": "1"},
            env={},
            command=(script,),
            network="none",
            address=None,
            port=8080,
            cpu=None,
            memory=200,
        )
        body = {**create_body(spec), "Entrypoint": ["/bin/sh", "-c"]}
        made = await self.engine.call(self.engine.api.create_container_from_config, body, spec.name)
        self.made.append(str(made["Id"]))
        await containers.start(self.engine, self.made[-1])
        return self.made[-1]


Make = Callable[..., Awaitable[Station]]


@pytest.fixture
async def make(nats_server: NatsServer, redis: RedisServer, engine: Engine, tmp_path: Path) -> AsyncIterator[Make]:
    async with contextlib.AsyncExitStack() as ends:

        async def station(docker_host: str = DOCKER_HOST) -> Station:
            settings = Settings(
                home=str(tmp_path),
                instance=ids.new("t"),
                nats_url=nats_server.url,
                redis_url=redis.url,
                docker_host=docker_host,
                sync_seconds=1.2,
                scale_seconds=0.5,
            )
            buses = [await Bus.connect(nats_server.url, name) for name in ("metrics", "api")]
            for bus in buses:
                ends.push_async_callback(bus.close)
            station = Station(settings, buses[0], buses[1], engine)
            ends.push_async_callback(station.stop)
            await station.start()
            return station

        yield station


def of(seen: Observation, app_id: str) -> ReplicaSample | None:
    return next((sample for sample in seen.samples if sample.app_id == app_id), None)
