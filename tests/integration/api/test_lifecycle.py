"""Start, stop, restart, scale, delete."""

import asyncio
from typing import Any

import pytest

from libs.common.messages.runtime import ReplicaRemoved
from libs.common.states import Intent, ReplicaState
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_stop_and_start(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    app_id = live["id"]
    stopping = asyncio.create_task(api.client.post(f"/apps/{live['slug']}/stop?wait=20"))
    desired = await world.desired_where(app_id, lambda it: it.intent is Intent.STOPPED)
    await world.replica(ReplicaRemoved, live["deployment"])
    await world.settled(app_id, desired.revision, running=0)
    stopped = await stopping
    assert stopped.status_code == 200
    assert (stopped.json()["status"], stopped.json()["status_reason"]) == ("stopped", "stopped_by_user")
    assert (await api.client.post(f"/apps/{app_id}/stop?wait=1")).status_code == 200

    started = await api.client.post(f"/apps/{app_id}/start")
    assert started.status_code == 202
    assert started.headers["location"] == f"/api/v1/apps/{app_id}"
    assert started.json()["status"] == "starting"
    assert (await world.desired_where(app_id, lambda it: it.intent is Intent.RUNNING)).restart == 0


async def test_restart_counts(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    answer = await api.client.post(f"/apps/{live['id']}/restart")
    assert answer.json()["status"] == "restarting"
    desired = await world.desired_where(live["id"], lambda it: it.restart == 1)
    await world.settled(live["id"], desired.revision)
    async with asyncio.timeout(20):
        while (await api.client.get(f"/apps/{live['id']}")).json()["status"] != "running":
            await asyncio.sleep(0.02)
    waited = await api.client.post(f"/apps/{live['id']}/restart?wait=1")
    assert waited.status_code == 202


async def test_nothing_to_start(api: ApiServer, app: dict[str, Any]) -> None:
    for verb, status in (("start", 409), ("restart", 409), ("stop", 202)):
        assert (await api.client.post(f"/apps/{app['id']}/{verb}")).status_code == status


async def test_scale_and_limits_are_live(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    answer = await api.client.put(f"/apps/{live['id']}", json={"replicas": 3, "memory_limit": 64, "cpu_limit": 0.5})
    assert answer.status_code == 200
    assert answer.json()["pending_changes"] is False
    desired = await world.desired_where(live["id"], lambda it: it.replicas == 3)
    assert (desired.limits.cpu, desired.limits.memory) == (0.5, 64)


async def test_other_settings_wait_for_the_next_deploy(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    before = await world.desired(live["id"])
    for body in ({"internal_port": 8080}, {"env": {"A": "1"}}, {"command": "sh -c 'sleep 1'"}, {"health_check": {"type": "http"}}):
        answer = await api.client.put(f"/apps/{live['id']}", json=body)
        assert answer.json()["pending_changes"] is True, answer.text
    assert answer.json()["command"] == ["sh", "-c", "sleep 1"]
    assert await world.desired(live["id"]) == before
    back = {"internal_port": 80, "env": {"A": None}, "command": None, "health_check": None}
    assert (await api.client.put(f"/apps/{live['id']}", json=back)).json()["command"] is None


async def test_delete(api: ApiServer, world: World, live: dict[str, Any], project: dict[str, Any]) -> None:
    plan = (await api.client.delete(f"/apps/{live['id']}?dry_run=true")).json()
    assert plan["downtime"] == "full"
    deleting = asyncio.create_task(api.client.delete(f"/apps/{live['slug']}?wait=20"))
    await world.desired_where(live["id"], lambda it: it.intent is Intent.DELETED)
    during = (await api.client.get(f"/apps/{live['id']}")).json()
    assert during["status_reason"] == "deleting"
    assert (await api.client.post(f"/apps/{live['id']}/deploy")).json()["code"] == "app_deleting"
    assert (await api.client.delete(f"/apps/{live['id']}")).status_code == 202
    body = {"name": "again", "slug": live["slug"]}
    assert (await api.client.post(f"/projects/{project['id']}/apps", json=body)).json()["code"] == "slug_taken"

    await world.removed(live["id"])
    deleted = await deleting
    assert deleted.status_code == 200
    assert deleted.json()["slug"] == live["slug"]
    assert (await api.client.get(f"/apps/{live['id']}")).status_code == 404
    assert (await api.client.get(f"/apps/{live['slug']}/events")).status_code == 404
    assert (await world.command(live["id"]))["keep"] == []
    async with asyncio.timeout(20):
        while await world.desired(live["id"]) is not None:
            await asyncio.sleep(0.02)

    other = (await api.client.post("/projects", json={"name": "Other"})).json()
    assert (await api.client.post(f"/projects/{other['id']}/apps", json=body)).json()["code"] == "slug_taken"
    assert (await api.client.post(f"/projects/{project['id']}/apps", json=body)).status_code == 201


async def test_a_project_goes_with_its_apps(api: ApiServer, world: World) -> None:
    project = (await api.client.post("/projects", json={"name": "Short"})).json()
    app = (await api.client.post(f"/projects/{project['id']}/apps", json={"name": "short-lived"})).json()
    assert (await api.client.delete(f"/projects/{project['id']}")).json()["code"] == "project_not_empty"
    going = asyncio.create_task(api.client.delete(f"/projects/{project['id']}?cascade=true&wait=20"))
    await world.desired_where(app["id"], lambda it: it.intent is Intent.DELETED)
    await world.removed(app["id"])
    answer = await going
    assert (answer.status_code, answer.json()) == (200, {"id": project["id"], "apps_left": 0})
    assert (await api.client.get(f"/projects/{project['id']}")).status_code == 404


async def test_the_sync_fills_in_what_runs(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    name = f"dk-{live['id']}-web-r1.0-0"
    await world.observe(live["id"], {name: ReplicaState.RUNNING})
    async with asyncio.timeout(20):
        while (app := (await api.client.get(f"/apps/{live['id']}")).json())["status_synced_at"] is None:
            await asyncio.sleep(0.02)
    assert (app["cpu_usage"], app["memory_usage"], app["stale"]) == (1.5, 20.2, False)
    await world.observe(live["id"], {name: ReplicaState.EXITED})
    async with asyncio.timeout(20):
        while (app := (await api.client.get(f"/apps/{live['id']}")).json())["status"] != "restarting":
            await asyncio.sleep(0.02)
    await world.observe(live["id"], {}, engine_ok=False)
    async with asyncio.timeout(20):
        while (await api.client.get(f"/apps/{live['id']}")).json()["status_reason"] != "engine_unreachable":
            await asyncio.sleep(0.02)
