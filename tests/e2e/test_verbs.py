"""Pause, live limits, rollback and cancel on real containers."""

import asyncio

import httpx

from tests.e2e.conftest import WAIT, Desk, Json
from tests.stack import Stack, eventually


def state_of(stack: Stack, app: Json) -> Json:
    (one,) = stack.leftovers().containers(app["id"])
    found: Json = stack.leftovers().client.inspect_container(one["Id"])
    return found


async def test_pause_freezes_and_unpause_goes_on(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    slug, before = app["slug"], state_of(stack, app)
    async with stack.app_client(slug) as client:
        open_one = asyncio.create_task(client.get("/slow?1500", timeout=60))
        await asyncio.sleep(0.3)  # the request has to be with the app
        paused = await desk.call("POST", f"/apps/{slug}/pause", params={"wait": WAIT})
        assert paused["status"] == "paused"
        assert state_of(stack, app)["State"]["Paused"]
        refused = await desk.look(slug)
        assert (refused.status_code, refused.json()["code"]) == (503, "app_paused")
        assert refused.headers["retry-after"] == "5"
        assert not open_one.done()
        going = await desk.call("POST", f"/apps/{slug}/unpause", params={"wait": WAIT})
        assert going["status"] == "running"
        assert (await open_one).status_code == 200
    assert (await desk.look(slug)).status_code == 200
    after = state_of(stack, app)
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])


async def test_paused_by_hand_and_mended(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    stack.leftovers().client.pause(state_of(stack, app)["Id"])

    async def is_paused() -> bool:
        return bool((await desk.get(app["slug"]))["status"] == "paused")

    await eventually(is_paused, 40, what="the status paused")
    mended = await desk.call("POST", f"/apps/{app['slug']}/unpause", params={"wait": WAIT})
    assert mended["status"] == "running"
    assert (await desk.look(app["slug"])).status_code == 200


async def test_delete_and_stop_of_a_paused_app(desk: Desk, stack: Stack) -> None:
    app = await desk.live(drain_seconds=1)
    await desk.call("POST", f"/apps/{app['slug']}/pause", params={"wait": WAIT})
    stopped = await desk.call("POST", f"/apps/{app['slug']}/stop", params={"wait": WAIT})
    assert stopped["status"] == "stopped"
    await desk.call("POST", f"/apps/{app['slug']}/start", params={"wait": WAIT})
    await desk.call("POST", f"/apps/{app['slug']}/pause", params={"wait": WAIT})
    answer = await desk.api.delete(f"/apps/{app['slug']}", params={"wait": WAIT})
    assert answer.status_code == 200
    assert stack.leftovers().containers(app["id"]) == []


async def test_live_limits_keep_the_container(desk: Desk, stack: Stack) -> None:
    app = await desk.live(memory_limit=64)
    before = state_of(stack, app)
    await desk.call("PUT", f"/apps/{app['slug']}", json={"memory_limit": 96})

    async def applied() -> bool:
        now = state_of(stack, app)
        assert (now["Id"], now["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
        return bool(now["HostConfig"]["Memory"] == 96 * 1024 * 1024)

    await eventually(applied, what="the limit on the container")


async def test_rollback_brings_the_settings_back(desk: Desk) -> None:
    app = await desk.live(env={"VERSION": "1"}, drain_seconds=1)
    await desk.call("PUT", f"/apps/{app['slug']}", json={"env": {"VERSION": "2"}})
    await desk.deploy(app["slug"])
    assert (await desk.look(app["slug"], "/version")).text == "2"
    back = await desk.call("POST", f"/apps/{app['slug']}/rollback", params={"wait": WAIT})
    assert (back["status"], back["trigger"]) == ("live", "rollback")
    assert (await desk.look(app["slug"], "/version")).text == "1"
    assert (await desk.get(app["slug"]))["pending_fields"] == []


async def test_cancel_of_a_health_wait(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    await desk.call("PUT", f"/apps/{app['slug']}", json={"internal_port": 9})
    waiting = asyncio.create_task(desk.api.post(f"/apps/{app['slug']}/deploy", params={"wait": WAIT}))

    async def deploying() -> str | None:
        newest: Json = (await desk.call("GET", f"/apps/{app['slug']}/deployments"))["items"][0]
        return str(newest["id"]) if newest["status"] == "deploying" and newest["id"] != app["current_deployment_id"] else None

    deployment = await eventually(deploying, what="the health wait")
    await desk.call("POST", f"/deployments/{deployment}/cancel")
    answer: httpx.Response = await asyncio.wait_for(waiting, 2)
    assert answer.json()["code"] == "deployment_cancelled"

    async def alone() -> bool:
        return len(stack.leftovers().containers(app["id"])) == 1

    await eventually(alone, 2, what="the candidate to be gone")
    assert (await desk.look(app["slug"])).status_code == 200
