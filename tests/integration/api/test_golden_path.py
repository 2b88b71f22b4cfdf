"""From nothing to a live app, as the seed document tells it, and what the other services are told on the way."""

import asyncio
from typing import Any

import pytest

from libs.common.states import Intent
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_create_deploy_live(api: ApiServer, world: World) -> None:
    project = (await api.client.post("/projects", json={"name": "My Project"})).json()
    body = {"name": "my-app", "slug": "my-app", "image": "nginx:alpine", "internal_port": 80}
    created = await api.client.post(f"/projects/{project['id']}/apps", json=body)
    assert created.status_code == 201
    app = created.json()
    assert (app["status"], app["status_reason"]) == ("stopped", "never_deployed")
    assert app["url"] == "https://my-app-app.localhost"

    deployed = await api.client.post("/deploy/my-app")
    assert deployed.status_code == 202
    deployment = deployed.json()
    assert deployed.headers["location"] == f"/api/v1/deployments/{deployment['id']}"
    assert (deployment["status"], deployment["number"], deployment["trigger"]) == ("queued", 1, "api")

    command = await world.command(app["id"])
    assert command["command_id"] == f"{deployment['id']}.prepare"
    assert command["reference"] == "nginx:alpine"
    await world.bring_live(deployment)
    desired = await world.desired_where(app["id"], lambda it: it.current is not None)
    assert desired.candidate is None
    assert desired.intent is Intent.RUNNING
    assert desired.hosts == ("my-app-app.localhost",)

    done = (await api.client.get(f"/deployments/{deployment['id']}")).json()
    assert done["status"] == "live"
    assert [phase["name"] for phase in done["phases"]] == ["queued", "building", "create", "start"]
    assert done["duration_ms"] >= 0
    running = (await api.client.get("/apps/my-app")).json()
    assert (running["status"], running["status_reason"]) == ("running", None)
    assert running["current_deployment_id"] == deployment["id"]
    assert running["current_replicas"] == 1


async def test_wait_ends_with_the_deployment(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    waiting = asyncio.create_task(api.client.post(f"/apps/{app['slug']}/deploy?wait=20"))
    command = await world.command(app["id"])
    deployment = (await api.client.get(f"/deployments/{command['deployment_id']}")).json()
    await world.bring_live(deployment)
    answer = await waiting
    assert answer.status_code == 200
    assert answer.json()["status"] == "live"


async def test_wait_ends_without_the_deployment(api: ApiServer, app: dict[str, Any]) -> None:
    answer = await api.client.post(f"/deploy/{app['slug']}?wait=1")
    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"


async def test_one_call_from_nothing(api: ApiServer, world: World) -> None:
    body = {"create": True, "project": "Fresh", "image": "nginx:alpine", "internal_port": 8080, "env": {"A": "1"}}
    first = await api.client.post("/deploy/fresh", json=body)
    assert first.status_code == 202
    app = (await api.client.get("/apps/fresh")).json()
    assert (app["internal_port"], app["env_keys"]) == (8080, ["A"])
    [project] = [it for it in (await api.client.get("/projects")).json()["items"] if it["name"] == "Fresh"]
    assert project["app_count"] == 1
    again = await api.client.post("/deploy/fresh", json={**body, "internal_port": 9090})
    assert again.json()["number"] == 2
    assert (await api.client.get("/apps/fresh")).json()["internal_port"] == 9090
    assert len([it for it in (await api.client.get("/projects?limit=200")).json()["items"] if it["name"] == "Fresh"]) == 1


async def test_feed_tells_the_whole_way(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    deployment = (await api.client.post(f"/apps/{app['id']}/deploy", headers={"X-Request-Id": "way-1"})).json()
    await world.command(app["id"])
    await world.bring_live(deployment)
    await world.desired_where(app["id"], lambda it: it.current is not None)
    async with asyncio.timeout(20):
        while True:
            feed = (await api.client.get(f"/apps/{app['id']}/events?limit=200")).json()
            kinds = [event["type"] for event in feed["items"]]
            if kinds.count("app.status_changed") == 2:
                break
            await asyncio.sleep(0.02)
    order = ["app.created", "deployment.queued", "deployment.building", "deployment.deploying", "replica.started", "deployment.live"]
    assert [kind for kind in kinds if kind in order] == order
    assert len({event["seq"] for event in feed["items"]}) == len(feed["items"])
    assert feed["next_after"] >= feed["items"][-1]["seq"]
