"""Rollback, cancel, pause, limits: what they leave behind."""

import asyncio
from typing import Any

import pytest

from libs.common.messages.runtime import LimitsRefused
from libs.common.states import Intent, ReplicaState
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def until(api: ApiServer, app: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The app, once its fields are these."""
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = (await api.client.get(f"/apps/{app['id']}")).json()
            if all(found[name] == value for name, value in fields.items()):
                return found
            await asyncio.sleep(0.02)


async def test_a_port_that_nobody_set_is_the_one_that_the_image_exposes(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    """80 where that is none or several, until somebody sets one; a rollback goes back to the port with the image."""
    path = f"/apps/{live['id']}"

    async def port(*exposed: int, verb: str = "deploy") -> tuple[int, int]:
        deployment = (await api.client.post(f"{path}/{verb}")).json()
        await world.command(live["id"])
        await world.image_ready(deployment, *exposed)
        await world.live(deployment)
        wish = await world.desired_where(live["id"], lambda it: it.current is not None and it.current.number == deployment["number"])
        assert wish.current
        return wish.current.port, (await until(api, live, current_deployment_id=deployment["id"], pending_fields=[]))["internal_port"]

    assert live["internal_port"] == 80
    assert await port(8080, 9090) == (80, 80)
    assert await port(8080) == (8080, 8080)
    whole = (await api.client.get(path)).json()
    assert (await api.client.put(path, json=whole)).status_code == 200
    assert await port(3000) == (3000, 3000), "an app that comes back as it was read sets no port"
    assert (await api.client.put(path, json={"internal_port": 80})).json()["pending_fields"] == ["internal_port"]
    assert await port(3000) == (80, 80)
    cleared = (await api.client.put(path, json={"internal_port": None})).json()
    assert (cleared["internal_port"], cleared["pending_fields"], cleared["pending_changes"]) == (80, ["internal_port"], True)
    assert await port(3000) == (3000, 3000)
    assert (await api.client.put(path, json={"internal_port": 80})).json()["pending_fields"] == ["internal_port"]
    assert await port(3000) == (80, 80)
    assert await port(3000, verb="rollback") == (3000, 3000)
    assert (await api.client.put(path, json={"internal_port": 80})).json()["internal_port"] == 80
    assert (await api.client.put(path, json={"internal_port": None})).json()["internal_port"] == 3000


async def test_rollback_restores_image_settings_and_env(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    path = f"/apps/{live['id']}"
    none = await api.client.post(f"{path}/rollback")
    assert (none.status_code, none.json()["code"]) == (409, "nothing_to_roll_back_to")
    change = {"image": "nginx:other", "env": {"A": "1"}, "internal_port": 8080, "drain_seconds": 3, "command": ["run"]}
    pending = (await api.client.put(path, json=change)).json()
    assert pending["pending_fields"] == ["image", "internal_port", "command", "drain_seconds", "env"]
    second = (await api.client.post(f"{path}/deploy")).json()
    await world.command(live["id"])
    await world.bring_live(second)
    await until(api, live, current_deployment_id=second["id"], pending_fields=[])
    plan = (await api.client.post(f"{path}/rollback?dry_run=true")).json()
    assert plan["downtime"] == "none"

    third = (await api.client.post(f"{path}/rollback")).json()
    assert (third["trigger"], third["image"], third["number"]) == ("rollback", "nginx:alpine", 3)
    command = await world.command(live["id"])
    assert command["reference"] == f"dockup/{live['id']}:r1"
    await world.bring_live(third)
    now = await until(api, live, current_deployment_id=third["id"])
    assert (now["image"], now["internal_port"], now["env_keys"], now["command"]) == ("nginx:alpine", 80, [], None)
    assert now["drain_seconds"] == live["drain_seconds"]
    assert (now["pending_changes"], now["pending_fields"]) == (False, [])
    wrong = await api.client.post(f"{path}/rollback", json={"deployment_id": "dep_0"})
    assert wrong.status_code == 404


async def test_cancel_of_what_waits_for_its_image(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    waiting = asyncio.create_task(api.client.post(f"/apps/{live['id']}/deploy?wait=20"))
    command = await world.command(live["id"])
    cancelled = await api.client.post(f"/deployments/{command['deployment_id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (409, "deployment_cancelled")
    desired = await world.desired_where(live["id"], lambda it: it.dropped == command["release"])
    assert desired.intent is Intent.RUNNING
    again = await api.client.post(f"/deployments/{command['deployment_id']}/cancel")
    assert again.status_code == 200
    ended = await api.client.post(f"/deployments/{live['deployment']['id']}/cancel")
    assert (ended.json()["code"], ended.json()["deployment"]["status"]) == ("deployment_ended", "live")


async def test_a_superseded_image_is_not_waited_for(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    old = (await api.client.post(f"/apps/{live['id']}/deploy")).json()
    await api.client.post(f"/apps/{live['id']}/deploy")
    assert (await world.desired_where(live["id"], lambda it: it.dropped > 0)).dropped == old["number"]


async def test_pause_and_unpause(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    pausing = asyncio.create_task(api.client.post(f"/apps/{live['id']}/pause?wait=20"))
    desired = await world.desired_where(live["id"], lambda it: it.intent is Intent.PAUSED)
    await world.settled(live["id"], desired.revision)
    assert (await pausing).json()["status"] == "paused"
    going_on = asyncio.create_task(api.client.post(f"/apps/{live['id']}/unpause?wait=20"))
    desired = await world.desired_where(live["id"], lambda it: it.thaw)
    await world.settled(live["id"], desired.revision)
    assert (await going_on).json()["status"] == "running"
    assert not (await world.desired_where(live["id"], lambda it: it.revision > desired.revision)).thaw


async def test_paused_by_hand(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    await world.observe(live["id"], {f"dk-{live['id']}-web-r1.0-0": ReplicaState.PAUSED})
    found = await until(api, live, status="paused")
    assert "unpause" in found["status_detail"]
    assert (await api.client.post(f"/apps/{live['id']}/unpause")).status_code == 202
    desired = await world.desired_where(live["id"], lambda it: it.thaw)
    await world.settled(live["id"], desired.revision)
    await until(api, live, status="running")


async def test_a_deploy_of_a_paused_app_ends_the_pause_when_it_is_live(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    await api.client.post(f"/apps/{live['id']}/pause")
    second = (await api.client.post(f"/apps/{live['id']}/deploy")).json()
    await world.image_ready(second)
    during = await world.desired_where(live["id"], lambda it: it.candidate is not None)
    assert during.intent is Intent.PAUSED
    await world.live(second)
    after = await world.desired_where(live["id"], lambda it: it.current and it.current.deployment_id == second["id"])
    assert after.intent is Intent.RUNNING


async def test_memory_in_use(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    await world.observe(live["id"], {f"dk-{live['id']}-web-r1.0-0": ReplicaState.RUNNING})
    await until(api, live, memory_usage=20.2)
    before = await world.desired(live["id"])
    refused = await api.client.put(f"/apps/{live['id']}", json={"memory_limit": 18})
    assert (refused.status_code, refused.json()["code"]) == (409, "memory_in_use")
    assert (refused.json()["memory_usage"], refused.json()["errors"][0]["pointer"]) == (20.25, "/memory_limit")
    assert await world.desired(live["id"]) == before
    assert (await api.client.put(f"/apps/{live['id']}", json={"memory_limit": 64})).status_code == 200


async def test_limits_that_the_engine_refuses_are_told(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    await api.client.put(f"/apps/{live['id']}", json={"memory_limit": 64})
    await world.replica(LimitsRefused, live["deployment"], message="The engine refused: device or resource busy")
    await until(api, live, status_detail="The engine refused: device or resource busy", status="running")
    await api.client.put(f"/apps/{live['id']}", json={"memory_limit": None})
    await until(api, live, status_detail=None, memory_limit=None)


async def test_two_clients_one_etag(api: ApiServer, app: dict[str, Any]) -> None:
    path = f"/apps/{app['id']}"
    tag = (await api.client.get(path)).headers["etag"]
    puts = [api.client.put(path, json={"drain_seconds": seconds}, headers={"If-Match": tag}) for seconds in (1, 2)]
    answers = sorted([answer.status_code for answer in await asyncio.gather(*puts)])
    assert answers == [200, 412]
