"""The metrics service against the real engine, bus and Redis: what it says of containers that are really there."""

import asyncio
import shutil
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from libs.common import ids
from libs.common.engine import containers, stats
from libs.common.messages.metrics import Observation, ReplicaSample
from libs.common.messages.ping import Pong
from libs.common.states import ReplicaState
from services.metrics.latest import key
from tests.integration.metrics.conftest import WAIT, Make, Seen, of
from tests.servers.nats import NatsServer
from tests.servers.redis import RedisServer


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


async def test_the_time_said_is_from_before_the_look(make: Make) -> None:
    """And numbers rise: the API can tell what is newer than an observation, and which of two came later."""
    station = await make()
    first = await station.until(lambda _seen: True)
    second = await station.until(lambda _seen: True)
    assert second.source == first.source
    assert second.number > first.number
    assert first.at < second.at


async def test_the_disks_are_said(make: Make) -> None:
    station = await make()
    seen = await station.until(lambda seen: seen.engine_ok)
    assert [place for disk in seen.disks for place in disk.places] == ["state", "engine"]
    root = (await station.engine.info()).root
    wanted = shutil.disk_usage(root)
    engine = next(disk for disk in seen.disks if "engine" in disk.places)
    assert abs(engine.used_percent - 100 * wanted.used / (wanted.used + wanted.free)) < 5
    assert engine.free_bytes > 0


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
