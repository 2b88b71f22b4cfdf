"""Where deployments end: docs/states.md, walked."""

import asyncio
from typing import Any

import pytest

from libs.common.messages.runtime import ReplicaDied, ReplicaHealthy
from libs.common.states import Intent
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def status_of(api: ApiServer, deployment: dict[str, Any]) -> str:
    status: str = (await api.client.get(f"/deployments/{deployment['id']}")).json()["status"]
    return status


async def until_status(api: ApiServer, deployment: dict[str, Any], status: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            found: dict[str, Any] = (await api.client.get(f"/deployments/{deployment['id']}")).json()
            if found["status"] == status:
                return found
            await asyncio.sleep(0.02)


async def deploy(api: ApiServer, app: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await api.client.post(f"/apps/{app['id']}/deploy", json=body)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_image_that_is_not_there(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    waiting = asyncio.create_task(api.client.post(f"/apps/{app['id']}/deploy?wait=20", json={"image": "nothing/here:1"}))
    command = await world.command(app["id"])
    assert command["reference"] == "nothing/here:1"
    await world.image_failed({"id": command["deployment_id"], "app_id": app["id"]})
    answer = await waiting
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "deployment_failed"
    assert problem["deployment"]["failure"]["code"] == "image_not_found"
    assert problem["deployment"]["failure"]["evidence"] == ["manifest unknown"]
    after = (await api.client.get(f"/apps/{app['id']}")).json()
    assert (after["status"], after["status_reason"]) == ("stopped", "deploy_failed")
    assert after["image"] == "nothing/here:1"


async def test_a_release_that_fails_leaves_the_old_one(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    second = await deploy(api, live)
    await world.image_started(second)
    await world.image_ready(second)
    await world.desired_where(live["id"], lambda it: it.candidate is not None)
    await world.failed(second)
    failed = await until_status(api, second, "failed")
    assert failed["failure"]["data"] == {"listening": [8080]}
    desired = await world.desired_where(live["id"], lambda it: it.candidate is None)
    assert desired.current
    assert desired.current.number == 1
    after = (await api.client.get(f"/apps/{live['id']}")).json()
    assert after["status"] == "running"
    assert after["current_deployment_id"] == live["deployment"]["id"]


async def test_a_newer_release_supersedes_one_that_waits(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    first, second = await deploy(api, app), await deploy(api, app)
    assert await status_of(api, first) == "superseded"
    answer = await api.client.get(f"/deployments/{first['id']}")
    assert answer.json()["finished_at"]
    await world.image_started(first)
    await world.image_ready(first)
    await world.bring_live(second)
    await until_status(api, second, "live")
    assert await status_of(api, first) == "superseded"


async def test_one_that_is_deploying_ends_before_the_next_begins(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    first = await deploy(api, app)
    await world.image_ready(first)
    await until_status(api, first, "deploying")
    second, third = await deploy(api, app), await deploy(api, app)
    await world.image_ready(third)
    await until_status(api, third, "building")
    assert await status_of(api, second) == "superseded"
    desired = await world.desired(app["id"])
    assert desired
    assert desired.candidate
    assert desired.candidate.number == 1
    await world.live(first)
    desired = await world.desired_where(app["id"], lambda it: it.current and it.candidate)
    assert (desired.current.number, desired.candidate.number) == (1, 3)
    await world.failed(third)
    await until_status(api, third, "failed")
    assert await status_of(api, first) == "live"


async def test_what_is_said_twice_or_too_late_changes_nothing(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    before = (await api.client.get(f"/apps/{live['id']}/events?limit=200")).json()
    deployment = live["deployment"]
    for say in (world.image_started, world.image_ready, world.live, world.failed, world.image_failed):
        await say(deployment)
    await world.replica(ReplicaDied, {**deployment, "number": 1}, slot=7)
    async with asyncio.timeout(20):
        while not (after := (await api.client.get(f"/apps/{live['id']}/events?after={before['next_after']}")).json())["items"]:
            await asyncio.sleep(0.02)
    assert [event["type"] for event in after["items"]] == ["replica.died"]
    assert await status_of(api, deployment) == "live"


async def test_stop_cancels_what_is_under_way(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    waiting = asyncio.create_task(api.client.post(f"/apps/{app['id']}/deploy?wait=20"))
    command = await world.command(app["id"])
    await api.client.post(f"/apps/{app['id']}/stop")
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (409, "deployment_cancelled")
    assert answer.json()["deployment"]["id"] == command["deployment_id"]
    await world.image_ready(answer.json()["deployment"])
    again = await deploy(api, app)
    desired = await world.desired_where(app["id"], lambda it: it.intent is Intent.STOPPED)
    assert desired.candidate is None
    assert (await api.client.get(f"/apps/{app['id']}")).json()["status"] == "starting"
    await world.image_ready(again)
    assert (await world.desired_where(app["id"], lambda it: it.candidate)).intent is Intent.STOPPED
    await world.live(again)
    assert (await world.desired_where(app["id"], lambda it: it.current)).intent is Intent.RUNNING


async def test_lists_are_cut_into_pages(api: ApiServer, app: dict[str, Any]) -> None:
    numbers = [(await deploy(api, app))["number"] for _ in range(3)]
    first = (await api.client.get(f"/apps/{app['slug']}/deployments?limit=2")).json()
    assert [it["number"] for it in first["items"]] == numbers[:0:-1]
    second = (await api.client.get(f"/apps/{app['slug']}/deployments?limit=2&cursor={first['next_cursor']}")).json()
    assert [it["number"] for it in second["items"]] == numbers[:1]
    assert second["next_cursor"] is None
    assert (await api.client.get(f"/apps/{app['slug']}/deployments?cursor=x")).json()["code"] == "invalid_cursor"


async def test_sources_that_cannot_be_deployed(api: ApiServer, project: dict[str, Any], app: dict[str, Any]) -> None:
    post = api.client.post
    bare = (await post(f"/projects/{project['id']}/apps", json={"name": app["slug"] + "-bare"})).json()
    cases = [
        (await post(f"/apps/{bare['id']}/deploy"), 409, "nothing_to_deploy"),
        (await post(f"/apps/{app['id']}/deploy", json={"ref": "main"}), 409, "source_not_available"),
        (await post(f"/apps/{app['id']}/deploy", json={"create": True}), 400, "unknown_field"),
        (await post(f"/deploy/{app['slug']}", json={"project": "x"}), 400, "validation_failed"),
        (await post("/deploy/nobody-has-this"), 404, "not_found"),
        (await post("/deploy/nobody-has-this", json={"create": True}), 400, "validation_failed"),
        (await post("/deploy/Not_A_Slug", json={"create": True, "project": "x"}), 400, "validation_failed"),
        (await post(f"/deploy/{app['slug']}", json={"create": True, "project": "Other"}), 409, "slug_taken"),
        (await post(f"/apps/{app['id']}/deploy", json={"image": "Not An Image"}), 400, "validation_failed"),
        (
            await post(f"/deploy/{app['slug']}", content=b"", headers={"Content-Type": "application/octet-stream"}),
            400,
            "empty_upload",
        ),
        (
            await post(f"/deploy/{app['slug']}", content=b"x" * 10, headers={"Content-Type": "application/x-tar"}),
            400,
            "upload_invalid",
        ),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer, _, _ in cases] == [(status, code) for _, status, code in cases]


async def test_an_empty_form_is_no_body(api: ApiServer, live: dict[str, Any]) -> None:
    """What `curl -X POST -d ''` sends; with content it is refused, and the hint says how curl is told otherwise."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in (f"/apps/{live['id']}/deploy", f"/deploy/{live['slug']}", f"/apps/{live['id']}/restart"):
        answer = await api.client.post(path, content=b"", headers=form)
        assert answer.status_code == 202, answer.text
    refused = await api.client.post(f"/apps/{live['id']}/deploy", content=b'{"image": "nginx:2"}', headers=form)
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
    assert "-H 'Content-Type: application/json'" in refused.json()["hint"]
    missing = await api.client.post("/projects", content=b"", headers=form)
    assert (missing.status_code, missing.json()["code"]) == (400, "validation_failed")


async def test_dry_run_changes_nothing(api: ApiServer, live: dict[str, Any]) -> None:
    plan = (await api.client.post(f"/apps/{live['id']}/deploy?dry_run=true", json={"image": "nginx:2"})).json()
    assert [step["action"] for step in plan["plan"]] == ["prepare_image", "start_replicas", "switch_route", "drain_replicas"]
    assert plan["downtime"] == "none"
    assert len((await api.client.get(f"/apps/{live['id']}/deployments")).json()["items"]) == 1
    assert (await api.client.get(f"/apps/{live['id']}")).json()["image"] == "nginx:alpine"


async def test_replicas_make_the_status(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    async def until(status: str, reason: str | None) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                found: dict[str, Any] = (await api.client.get(f"/apps/{live['id']}")).json()
                if (found["status"], found["status_reason"]) == (status, reason):
                    return found
                await asyncio.sleep(0.02)

    await world.replica(ReplicaDied, live["deployment"], exit_code=137, message="exit code 137")
    assert (await until("restarting", None))["current_replicas"] == 0
    await world.replica(ReplicaHealthy, live["deployment"])
    assert (await until("running", None))["current_replicas"] == 1
