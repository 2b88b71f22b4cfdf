"""The metrics service against the real engine, bus and Redis: what it says of containers that are really there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.engine import containers, stats
from libs.common.engine.connect import Engine
from libs.common.engine.spec import ContainerSpec, create_body
from libs.common.messages.metrics import HistoryAnswer, HistoryQuery, Observation, ReplicaSample, StatsAnswer, StatsQuery
from libs.common.messages.ping import Pong
from libs.common.states import ReplicaState
from services.metrics import cgroups
from services.metrics.__main__ import serve
from services.metrics.latest import key
from services.metrics.settings import Settings
from tests import images
from tests.conftest import DOCKER_HOST
from tests.servers.nats import NatsServer
from tests.servers.redis import RedisServer
from tests.stack.eventually import eventually

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

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=WAIT)
            assert self._task.done(), "it does not stop when it is told to"
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


async def test_figures_of_busy_and_idle(make: Make, redis: RedisServer) -> None:
    station = await make()
    busy, idle = ids.new("app"), ids.new("app")
    await station.run(busy, "while true; do :; done")
    idle_id = await station.run(idle, "exec sleep 1000")

    def measured(seen: Observation) -> bool:
        return all((sample := of(seen, app)) and sample.cpu_usage is not None for app in (busy, idle))

    seen = await station.until(measured)
    loud, quiet = of(seen, busy), of(seen, idle)
    assert seen.engine_ok
    assert loud
    assert quiet
    assert loud.cpu_usage
    assert 50 < loud.cpu_usage < 110
    assert quiet.cpu_usage is not None
    assert quiet.cpu_usage < 10
    assert quiet.memory_usage is not None
    docker = await stats.once(station.engine, idle_id)
    assert abs(quiet.memory_usage - docker.memory_bytes / 1024 / 1024) < 4
    cache = Redis.from_url(redis.url)
    stored = await cache.hgetall(key(idle))
    await cache.aclose()
    assert msgspec.json.decode(stored[quiet.replica.encode()], type=ReplicaSample).container_id == idle_id


async def test_memory_that_is_held_is_counted(make: Make) -> None:
    station = await make()
    app = ids.new("app")
    await station.run(app, "x=$(/bin/busybox head -c 30000000 /dev/zero | /bin/busybox tr '\\0' x); sleep 1000; echo $x")
    held = await station.until(lambda seen: bool((sample := of(seen, app)) and (sample.memory_usage or 0) > 25))
    assert held.samples


async def test_states_are_said_when_they_change(make: Make) -> None:
    station = await make()
    app = ids.new("app")
    container_id = await station.run(app, "exec sleep 1000")

    def state(wanted: ReplicaState) -> Seen:
        return lambda seen: bool((sample := of(seen, app)) and sample.state == wanted)

    await station.until(state(ReplicaState.RUNNING))
    await station.engine.call(station.engine.api.pause, container_id)
    paused = await station.until(state(ReplicaState.PAUSED))
    sample = of(paused, app)
    assert sample
    assert sample.memory_usage is not None
    await station.engine.call(station.engine.api.unpause, container_id)
    await station.until(state(ReplicaState.RUNNING))
    await containers.kill(station.engine, container_id)
    ended = of(await station.until(state(ReplicaState.EXITED)), app)
    assert ended
    assert (ended.cpu_usage, ended.memory_usage) == (None, None)
    await containers.remove(station.engine, container_id)
    await station.until(lambda seen: of(seen, app) is None)


async def test_another_installation_is_not_seen(make: Make) -> None:
    station = await make()
    ours, theirs = ids.new("app"), ids.new("app")
    await station.run(theirs, "exec sleep 1000", instance=ids.new("t"))
    await station.run(ours, "exec sleep 1000")
    assert of(await station.until(lambda seen: of(seen, ours) is not None), theirs) is None


async def test_stats_now_and_history(make: Make) -> None:
    """Asked over the bus: the counters of a container that reads, writes and answers, and what was kept of it. A restart counts anew."""
    station = await make()
    app = ids.new("app")
    container_id = await station.run(app, "while :; do :; done")

    async def now() -> StatsAnswer:
        return await station.ear.query("metrics", "stats", StatsQuery(app_id=app), StatsAnswer)

    async def sampled() -> ReplicaSample | None:
        (sample,) = (await now()).samples or (None,)
        return sample if sample and (sample.cpu_usage or 0) > 30 else None

    sample = await eventually(sampled, what="a rate")
    assert sample
    assert (sample.container_id, sample.memory_limit, sample.pids) == (container_id, 200.0, 2)
    assert (sample.network_rx_bytes, sample.network_tx_bytes) == (0, 0), "its network is none"
    assert sample.block_read_bytes is not None
    assert (await station.ear.query("metrics", "stats", StatsQuery(app_id=ids.new("app")), StatsAnswer)).samples == ()

    async def points() -> HistoryAnswer:
        return await station.ear.query("metrics", "history", HistoryQuery(app_id=app, minutes=5), HistoryAnswer)

    async def kept() -> bool:
        return any((point.cpu_usage or 0) > 30 for point in (await points()).points)

    await eventually(kept, what="a point of the history")
    await station.engine.call(station.engine.api.restart, container_id, timeout=0)
    again = await eventually(sampled, what="a rate after the restart")
    assert again
    assert again.cpu_usage is not None
    assert again.cpu_usage < 110
    assert all((point.cpu_usage_max or 0) < 110 for point in (await points()).points)
    await station.engine.call(station.engine.api.pause, container_id)

    async def rests() -> bool:
        (sample,) = (await now()).samples
        return sample.state is ReplicaState.PAUSED and sample.cpu_usage == 0.0 and sample.memory_usage is not None

    await eventually(rests, what="a paused container at rest")
    await containers.remove(station.engine, container_id)

    async def gone() -> bool:
        return (await now()).samples == ()

    await eventually(gone, what="the removed container to be gone")


async def test_the_time_said_is_from_before_the_look(make: Make) -> None:
    """And numbers rise: the API can tell what is newer than an observation, and which of two came later."""
    station = await make()
    first = await station.until(lambda _seen: True)
    second = await station.until(lambda _seen: True)
    assert second.source == first.source
    assert second.number > first.number
    assert first.at < second.at


async def test_files_out_of_reach(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without cgroup files the engine's own figures are taken, and they are the same ones."""
    monkeypatch.setattr(cgroups.Files.__init__, "__defaults__", (tmp_path / "cgroup", tmp_path / "proc"))
    station = await make()
    app = ids.new("app")
    await station.run(app, "exec sleep 1000")
    sample = of(await station.until(lambda seen: bool((sample := of(seen, app)) and sample.cpu_usage is not None)), app)
    assert sample
    assert (sample.memory_limit, sample.pids) == (200.0, 2)
    assert sample.memory_usage is not None
    assert 0 < sample.memory_usage < 50


async def test_engine_away(make: Make, tmp_path: Path) -> None:
    station = await make(f"unix://{tmp_path}/no-engine.sock")
    seen = await station.until(lambda _seen: True)
    assert not seen.engine_ok
    assert seen.samples == ()
    pong = await station.ear.query("metrics", "ping", {}, Pong)
    assert pong.status == "degraded"
    assert "Engine" in pong.detail


async def test_redis_away(make: Make, redis: RedisServer) -> None:
    station = await make()
    app = ids.new("app")
    await station.run(app, "exec sleep 1000")
    await station.until(lambda seen: of(seen, app) is not None)
    redis.kill()

    async def status() -> str:
        return (await station.ear.query("metrics", "ping", {}, Pong)).status

    async def becomes(wanted: str) -> None:
        async with asyncio.timeout(WAIT):
            while await status() != wanted:
                assert (await station.until(lambda _seen: True)).engine_ok

    await becomes("degraded")
    redis.start()
    await becomes("ok")


async def test_bus_away(make: Make, nats_server: NatsServer) -> None:
    station = await make()
    await station.until(lambda _seen: True)
    nats_server.kill()
    nats_server.start()
    await station.until(lambda _seen: True)
    assert (await station.until(lambda _seen: True)).engine_ok
