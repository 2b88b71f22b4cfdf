"""What dies, vanishes or forgets, and what the runtime makes of it."""

import asyncio
import os
import random
import signal

import httpx
import pytest

from libs.common.engine import containers, networks
from libs.common.engine.networks import NetworkSeen
from libs.common.messages.api import HealthCheck, Limits
from libs.common.states import Intent
from tests import images
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Stack
from tests.stack import eventually


async def live(stack: Stack, **fields: object) -> str:
    app_id = stack.new_app()
    release = stack.release(1, images.web(), env={"VERSION": "one"}, **fields)
    assert (await stack.deploy(app_id, release)).name == "ReleaseLive"
    await stack.settled(app_id)
    return app_id


async def answers(stack: Stack, app_id: str, version: str = "one") -> None:
    """Wait until the app answers through the proxy."""
    async with asyncio.timeout(30):
        while True:
            try:
                answer = await stack.get(app_id, "/version")
            except httpx.HTTPError:
                continue
            if answer.status_code == 200 and answer.text.strip() == version:
                return
            await asyncio.sleep(0.02)


async def test_a_removed_container_is_made_again(stack: Stack) -> None:
    app_id = await live(stack)
    old = (await stack.containers(app_id))[0]
    await containers.remove(stack.engine, old.id)
    await stack.wait_containers(app_id, lambda found: found and found[0].id != old.id)
    await answers(stack, app_id)
    died = await stack.wait_said(app_id, "ReplicaDied")
    assert any("vanished" in str(event.data["message"]) for event in died)
    assert {event.data["container_id"] for event in died} == {old.id}


async def network_of(stack: Stack, app_id: str) -> NetworkSeen:
    found = await networks.find(stack.engine, stack.instance, stack.desired[app_id].project_id)
    assert found is not None
    return found


async def test_a_network_that_was_removed_is_made_again(stack: Stack) -> None:
    app_id = await live(stack)
    network, [old] = await network_of(stack, app_id), await stack.containers(app_id)
    stack.engine.api.disconnect_container_from_network(old.id, network.id, force=True)
    await networks.remove(stack.engine, network.id)
    await containers.kill(stack.engine, old.id)
    await stack.wait_containers(app_id, lambda found: found and found[0].id != old.id)
    await answers(stack, app_id)
    assert (await network_of(stack, app_id)).id != network.id
    # Nor does it end a deploy.
    network, [old] = await network_of(stack, app_id), await stack.containers(app_id)
    stack.engine.api.disconnect_container_from_network(old.id, network.id, force=True)
    await networks.remove(stack.engine, network.id)
    end = await stack.deploy(app_id, stack.release(2, images.web(), env={"VERSION": "two"}))
    assert end.name == "ReleaseLive", end.data
    await answers(stack, app_id, "two")


@pytest.mark.long
async def test_a_container_that_was_taken_out_of_its_network_is_replaced(stack: Stack) -> None:
    """No event of a container says so: the next tick does."""
    app_id = await live(stack)
    [old] = await stack.containers(app_id)
    stack.engine.api.disconnect_container_from_network(old.id, (await network_of(stack, app_id)).id)
    async with asyncio.timeout(60):
        while old.id in {entry.id for entry in await stack.containers(app_id)}:
            await asyncio.sleep(0.1)
    await answers(stack, app_id)


async def test_a_crash_is_healed_and_a_loop_is_called_one(stack: Stack) -> None:
    app_id = await live(stack)
    for count in range(1, 6):
        await answers(stack, app_id)
        if count % 2:
            container_id = (await stack.containers(app_id))[0].id
            await containers.kill(stack.engine, container_id)
        else:
            await stack.get(app_id, "/exit?3")
        await stack.wait_said(app_id, "ReplicaDied", count)
    looping = await stack.wait_said(app_id, "ReplicaCrashLooping")
    assert "5 times" in str(looping[0].data["message"])
    await answers(stack, app_id)


@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
async def test_killed_in_mid_deploy_it_ends_once(stack: Stack, seed: int) -> None:
    app_id = await live(stack)
    stack.react = seed % 2 == 0  # the API may be slow to take notice, too
    release = stack.release(2, images.web(), env={"VERSION": "two"})
    await stack.want(app_id, candidate=release, replicas=2)
    await asyncio.sleep(random.Random(seed).uniform(0, 0.8))  # noqa: S311 - a moment, not a secret
    stack.kill_runtime()
    stack.launch()
    end = await stack.end_of(release)
    assert end.name == "ReleaseLive"
    if not stack.react:
        await stack.want(app_id, current=release, candidate=None)
    await stack.settled(app_id)
    assert [entry.name for entry in await stack.containers(app_id)] == [f"dk-{app_id}-web-r2.0-{slot}" for slot in (0, 1)]
    assert await stack.version(app_id) == "two"
    ends = {event.data["event_id"] for event in stack.said if event.name in {"ReleaseLive", "ReleaseFailed"}}
    assert len(ends) == 2


async def test_the_router_killed_in_mid_deploy_fails_nothing(stack: Stack) -> None:
    app_id = await live(stack)
    release = stack.release(2, images.web(), env={"VERSION": "two"})
    await stack.want(app_id, candidate=release)
    stack.router.kill_router()
    await asyncio.sleep(0.5)
    await stack.router.start()
    assert (await stack.end_of(release)).name == "ReleaseLive"
    assert await stack.version(app_id) == "two"


async def test_a_wiped_bus_removes_nothing_and_comes_back(stack: Stack) -> None:
    app_id = await live(stack)
    before = await stack.containers(app_id)
    stack.nats.kill()
    stack.nats.wipe()
    await containers.remove(stack.engine, before[0].id)
    await stack.wait_containers(app_id, lambda found: found and found[0].id != before[0].id)
    stack.nats.start()
    stack.nats.ensure()
    await until(lambda: app_id in stack.routes.entries, 30)
    assert stack.routes.entries[app_id].upstreams
    # Restarted while `desired` is empty it knows nobody, and leaves what runs alone.
    stack.stop_runtime()
    stack.launch()
    async with asyncio.timeout(30):
        while (pong := await stack.ping()) is None or "no known app" not in pong.detail:
            await asyncio.sleep(0.05)
    await stack.want(app_id, replicas=2)
    await stack.wait_containers(app_id, lambda found: len(found) == 2)
    await stack.want(app_id, replicas=1)
    await answers(stack, app_id)
    assert len(await stack.containers(app_id)) == 2
    await stack.complete()
    await stack.wait_containers(app_id, lambda found: len(found) == 1)


async def test_a_wiped_bus_and_a_new_runtime_lead_where_the_app_is_now(stack: Stack) -> None:
    """The router knows a route from before, which nobody else remembers."""
    app_id = await live(stack)
    before = stack.routes.entries[app_id].revision
    stack.nats.kill()
    stack.stop_runtime()
    stack.nats.wipe()
    (old,) = await stack.containers(app_id)
    await containers.remove(stack.engine, old.id)
    stack.nats.start()
    stack.nats.ensure()
    await until(lambda: stack.bus.connected, 30)
    await stack.want(app_id)
    stack.launch()
    await answers(stack, app_id)
    assert stack.routes.entries[app_id].revision > before


async def test_cancelled_in_mid_deploy(stack: Stack) -> None:
    app_id = await live(stack)
    await stack.want(app_id, candidate=stack.release(2, images.slow_start()))
    await stack.wait_containers(app_id, lambda found: len(found) == 2)
    await stack.want(app_id, candidate=None)
    await stack.settled(app_id)
    assert [entry.name for entry in await stack.containers(app_id)] == [f"dk-{app_id}-web-r1.0-0"]
    assert await stack.version(app_id) == "one"


async def test_a_second_runtime_stands_by(stack: Stack, tmp_path: object) -> None:
    await live(stack)
    first = await stack.ping()
    assert first is not None
    assert first.status == "ok", first
    other = Stack(stack.home / "other", stack.nats, stack.bus, stack.engine)
    other.instance, other.vault_key = stack.instance, stack.vault_key
    other.home.mkdir()
    other.launch()
    try:
        async with asyncio.timeout(15):
            seen: set[str] = set()
            while "standby" not in seen:
                pong = await stack.ping()
                seen.add(pong.status if pong else "")
    finally:
        other.kill_runtime()


async def test_limits_change_live(stack: Stack) -> None:
    app_id = await live(stack)
    before = await stack.containers(app_id)
    await stack.want(app_id, limits=Limits(cpu=0.5, memory=96))
    await stack.settled(app_id)
    after = await stack.containers(app_id)
    assert [entry.id for entry in after] == [entry.id for entry in before]
    host = stack.engine.api.inspect_container(after[0].id)["HostConfig"]
    assert host["Memory"] == 96 * 1024 * 1024
    assert host["CpuQuota"] == 50_000


async def test_a_limit_that_the_engine_refuses_does_not_keep_the_other_from_it(stack: Stack) -> None:
    """No engine takes 4 MB."""
    app_id = await live(stack)
    [listed] = await stack.containers(app_id)
    before = stack.engine.api.inspect_container(listed.id)["HostConfig"]["Memory"]
    await stack.want(app_id, limits=Limits(cpu=0.5, memory=4))
    await stack.settled(app_id)
    assert "memory" in str((await stack.wait_said(app_id, "LimitsRefused"))[0].data["message"]).lower()
    host = stack.engine.api.inspect_container(listed.id)["HostConfig"]
    assert (host["CpuQuota"], host["Memory"]) == (50_000, before)


async def test_logs_of_the_living_and_the_dead_without_secrets(stack: Stack) -> None:
    app_id = stack.new_app()
    say = ("-c", "echo hello $API_TOKEN; exec sleep 1000")
    check = stack.release(1, images.shell()).health_check
    quiet = type(check)(type="none")
    first = stack.release(1, images.shell(), command=say, env={"API_TOKEN": "s3cret-value"}, health_check=quiet)
    await stack.want(app_id, candidate=first)
    await stack.wait_said(app_id, "ReplicaHealthy")

    async def said() -> bool:  # it is healthy as soon as it runs
        return [line.message for line in (await stack.logs(app_id)).items] == ["hello ••••••••"]

    await eventually(said, what="the line in the log")
    await stack.want(app_id, candidate=None)
    await stack.settled(app_id)
    assert await stack.containers(app_id) == []
    dead = await stack.logs(app_id, deployments=(first.deployment_id,))
    assert [line.message for line in dead.items] == ["hello ••••••••"]
    assert dead.items[0].replica == f"dk-{app_id}-web-r1.0-0"


async def test_redeploy_under_load_loses_nothing(stack: Stack) -> None:
    app_id = await live(stack)
    stop = asyncio.Event()
    statuses: list[int] = []

    async def client() -> None:
        host = stack.desired[app_id].hosts[0]
        url = f"https://127.0.0.1:{stack.router.https_port}/slow?50"
        async with httpx.AsyncClient(verify=False) as http:  # noqa: S501 - the certificate is another test's
            while not stop.is_set():
                answer = await http.get(url, headers={"Host": host}, extensions={"sni_hostname": host})
                statuses.append(answer.status_code)

    clients = [asyncio.create_task(client()) for _ in range(8)]
    for number in range(2, 5):
        end = await stack.deploy(app_id, stack.release(number, images.web(), env={"VERSION": str(number)}))
        assert end.name == "ReleaseLive"
        await stack.settled(app_id)
    stop.set()
    await asyncio.gather(*clients)
    assert set(statuses) == {200}, statuses


async def test_stop_in_mid_drain_and_start_again(stack: Stack) -> None:
    app_id = await live(stack)
    await stack.want(app_id, intent=Intent.STOPPED)
    await stack.want(app_id, intent=Intent.RUNNING)
    await stack.settled(app_id)
    await answers(stack, app_id)
    assert len(await stack.containers(app_id)) == 1


@pytest.mark.long
async def test_what_hung_while_nobody_looked_leaves_the_route(stack: Stack) -> None:
    """The route has both when the runtime is back, which takes them for healthy at first."""
    check = HealthCheck(type="http", timeout_seconds=1, start_period_seconds=5)
    app_id = await live(stack, health_check=check)
    await stack.want(app_id, replicas=2)
    await stack.settled(app_id)
    hung = (await stack.containers(app_id))[0]
    stack.kill_runtime()
    for process in stack.engine.api.top(hung.id, "-eo pid")["Processes"]:
        os.kill(int(process[0]), signal.SIGSTOP)
    stack.launch()

    def fronting() -> list[str]:
        return [one.name[-12:] for one in stack.routes.entries[app_id].upstreams if one.draining_since is None]

    await until(lambda: len(fronting()) == 1, 40)
    assert fronting() != [hung.id[:12]]
