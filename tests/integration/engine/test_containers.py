"""A container's life on a real engine."""

import asyncio
import threading
from collections.abc import Callable
from ipaddress import ip_network

import httpx
import pytest

from libs.common.engine import carriers, containers, ports, volumes
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, EngineAway, ImageMissing, NotFound, StartFailed
from libs.common.engine.networks import NetworkSeen
from libs.common.engine.spec import ContainerSpec
from libs.common.states import ReplicaState
from tests import images as made

PATIENCE = 20
Spec = Callable[..., ContainerSpec]


async def ended(engine: Engine, container_id: str) -> containers.ContainerSeen:
    async with asyncio.timeout(PATIENCE):
        await engine.call(engine.long.wait, container_id)
    return await containers.inspect(engine, container_id)


async def test_a_container_lives_and_goes(engine: Engine, instance: str, network: NetworkSeen, spec: Spec) -> None:
    address = str(ip_network(network.subnets[0])[9])
    wanted = spec(address=address, cpu=0.5, memory=64)
    container = await containers.create(engine, wanted)
    created = await containers.inspect(engine, container)
    assert (created.state, created.started_at, created.address) == (ReplicaState.CREATED, None, address)
    await containers.start(engine, container)
    await containers.start(engine, container)
    seen = await containers.inspect(engine, container)
    assert (seen.state, seen.address, seen.name) == (ReplicaState.RUNNING, address, wanted.name)
    assert seen.pid > 0
    assert seen.restart_policy == "no"
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://{address}:{made.PORT}/version", headers={"X-Request-Id": "r1"})
    assert (answer.text, answer.headers["X-Request-Id"]) == ("one", "r1")
    listed = await containers.list_ours(engine, instance, wanted.labels["dockup.app"])
    assert [(one.id, one.name, one.state, one.address) for one in listed] == [(container, wanted.name, ReplicaState.RUNNING, address)]
    assert listed[0].image_id == wanted.image_id
    assert ports.listening(seen.pid) == [made.PORT]
    await containers.stop(engine, container, 10)
    await containers.stop(engine, container, 10)
    stopped = await containers.inspect(engine, container)
    assert (stopped.state, stopped.exit_code, stopped.oom_killed) == (ReplicaState.EXITED, 0, False)
    assert stopped.finished_at is not None
    await containers.remove(engine, container)
    await containers.remove(engine, container)
    with pytest.raises(NotFound):
        await containers.inspect(engine, container)


async def test_what_is_gone_is_stopped_and_killed_already(engine: Engine) -> None:
    nobody = "f" * 64
    await containers.stop(engine, nobody, 1)
    await containers.kill(engine, nobody)
    await containers.remove(engine, nobody)
    with pytest.raises(NotFound):
        await containers.start(engine, nobody)


async def test_a_name_is_taken_once(engine: Engine, spec: Spec) -> None:
    wanted = spec()
    await containers.create(engine, wanted)
    with pytest.raises(Conflict, match="already in use"):
        await containers.create(engine, wanted)


async def test_an_image_that_is_not_there(engine: Engine, spec: Spec) -> None:
    with pytest.raises(ImageMissing):
        await containers.create(engine, spec(image_id="sha256:" + "0" * 64))


async def test_what_keeps_it_from_starting(engine: Engine, spec: Spec) -> None:
    no_network = await containers.create(engine, spec(network="missing-network"))
    with pytest.raises(StartFailed, match="missing-network"):
        await containers.start(engine, no_network)
    wanted = await engine.call(engine.api.create_container, made.web(), entrypoint=["/nonsense"], labels=spec().labels)
    with pytest.raises(StartFailed, match="nonsense"):
        await containers.start(engine, wanted["Id"])


async def test_an_address_that_is_taken(engine: Engine, network: NetworkSeen, spec: Spec) -> None:
    address = str(ip_network(network.subnets[0])[9])
    first, second = [await containers.create(engine, spec(address=address)) for _ in range(2)]
    await containers.start(engine, first)
    with pytest.raises(StartFailed, match="already in use"):
        await containers.start(engine, second)


async def test_how_it_ended(engine: Engine, spec: Spec) -> None:
    exits = await containers.create(engine, spec(made.exits(3)))
    eats = await containers.create(engine, spec(made.eats_memory(), memory=32))
    for container in (exits, eats):
        await containers.start(engine, container)
    first, second = await asyncio.gather(ended(engine, exits), ended(engine, eats))
    assert (first.exit_code, first.oom_killed) == (3, False)
    assert (second.exit_code, second.oom_killed) == (137, True)


async def test_one_that_ignores_term_is_killed_by_the_engine(engine: Engine, spec: Spec) -> None:
    container = await containers.create(engine, spec(made.ignores_term()))
    await containers.start(engine, container)
    await containers.stop(engine, container, 0.2)
    assert (await containers.inspect(engine, container)).exit_code == 137


async def test_limits_and_policy_change_live(engine: Engine, spec: Spec) -> None:
    container = await containers.create(engine, spec(cpu=0.5, memory=64))
    await containers.start(engine, container)
    await containers.update(engine, container, restart_policy="unless-stopped", cpu=1.5, memory=32)
    host = engine.api.inspect_container(container)["HostConfig"]
    assert (host["CpuQuota"], host["Memory"], host["MemorySwap"]) == (150_000, 32 << 20, 32 << 20)
    assert (await containers.inspect(engine, container)).restart_policy == "unless-stopped"
    await containers.update(engine, container, cpu=0, memory=0)
    host = engine.api.inspect_container(container)["HostConfig"]
    assert host["CpuQuota"] <= 0
    assert host["Memory"] > 1 << 30
    assert (await containers.inspect(engine, container)).restart_policy == "unless-stopped"


async def test_the_hardening_holds_inside(engine: Engine, spec: Spec) -> None:
    container = await containers.create(engine, spec())
    await containers.start(engine, container)
    running = engine.api.exec_create(container, ["/bin/cat", "/proc/self/status"])
    text = engine.api.exec_start(running["Id"]).decode()
    status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert int(status["CapBnd"], 16) == sum(1 << bit for bit in (0, 1, 3, 5, 6, 7, 10))


async def test_ports_that_nobody_can_reach(engine: Engine, spec: Spec) -> None:
    container = await containers.create(engine, spec(made.loopback()))
    await containers.start(engine, container)
    pid = (await containers.inspect(engine, container)).pid
    async with asyncio.timeout(PATIENCE):
        while not ports.listening(pid):
            await asyncio.sleep(0.01)
    assert ports.listening(pid) == ports.loopback_only(pid) == [made.PORT]
    assert ports.listening(2**22 + 1) == []


async def test_an_engine_that_is_away() -> None:
    with pytest.raises(EngineAway):
        await Engine.open("unix:///nonexistent/docker.sock")
    with pytest.raises(EngineAway):
        await Engine.open("tcp://127.0.0.1:1")


async def test_what_the_engine_says_of_itself(engine: Engine) -> None:
    await engine.ping()
    info = await engine.info()
    assert info.ncpu >= 1
    assert info.memory_mb > 100
    assert info.cgroup_version in {"1", "2"}


async def test_what_moves_slowly_holds_up_no_short_call(engine: Engine) -> None:
    go = threading.Event()
    moving = [asyncio.create_task(engine.transfer(go.wait)) for _ in range(50)]
    try:
        async with asyncio.timeout(20):
            await engine.ping()
    finally:
        go.set()
        await asyncio.gather(*moving)


async def test_a_carrier_whose_maker_was_cancelled_does_not_hold_its_volume(engine: Engine, instance: str) -> None:
    name = f"{instance}-data"

    async def hold() -> None:
        async with carriers.carrier(engine, instance, name, {}, set()):
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.3)  # the engine finishes what it was asked
    assert _carriers(engine, instance) == []
    await volumes.remove(engine, name)


async def test_carriers_of_a_process_that_is_gone_are_swept_and_no_others(engine: Engine, instance: str) -> None:
    held: set[str] = set()
    async with carriers.carrier(engine, instance, f"{instance}-mine", {}, held) as mine:
        left = await engine.call(engine.api.create_container_from_config, {**engine.api.inspect_container(mine)["Config"]}, None)
        await carriers.sweep(engine, instance, held)  # it may be one that is just being noted
        assert len(_carriers(engine, instance)) == 2
        await carriers.sweep(engine, instance, held, older_than=0)
        assert _carriers(engine, instance) == [mine] != [left["Id"]]
    assert (held, _carriers(engine, instance)) == (set(), [])
    await volumes.remove(engine, f"{instance}-mine")


def _carriers(engine: Engine, instance: str) -> list[str]:
    return [one["Id"] for one in engine.api.containers(all=True, filters={"label": f"{carriers.CARRIER_LABEL}={instance}"})]
