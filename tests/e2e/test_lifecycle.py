"""Stop, start, restart, scale, limits, logs, delete."""

import asyncio

import httpx

from tests import images
from tests.e2e.conftest import WAIT, Desk, Json
from tests.load.counts import Counts
from tests.load.traffic import Traffic
from tests.stack import Stack, eventually


async def test_stop_and_start(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    slug = app["slug"]
    stopped = await desk.call("POST", f"/apps/{slug}/stop", params={"wait": WAIT})
    assert (stopped["status"], stopped["status_reason"]) == ("stopped", "stopped_by_user")
    assert stack.leftovers().containers(app["id"]) == []
    away = await desk.look(slug)
    assert away.status_code == 503
    assert away.json()["code"] == "app_not_running"
    started = await desk.call("POST", f"/apps/{slug}/start", params={"wait": WAIT})
    assert started["status"] == "running"
    assert (await desk.look(slug)).status_code == 200


async def test_restart_loses_no_request(desk: Desk, stack: Stack) -> None:
    app = await desk.live(drain_seconds=2)
    slug = app["slug"]
    (before,) = stack.leftovers().containers(app["id"])
    async with Traffic(stack.host(slug), stack.https_port, stack.trust(), slug) as traffic:
        restarted = await desk.call("POST", f"/apps/{slug}/restart", params={"wait": WAIT})
    assert restarted["status"] == "running"
    assert traffic.failed == []
    (after,) = stack.leftovers().containers(app["id"])
    assert before["Id"] != after["Id"]


async def test_redeploy_under_load(desk: Desk, stack: Stack) -> None:
    """A short form of the benchmark: nothing fails, nothing is served twice."""
    app = await desk.live(drain_seconds=2, env={"VERSION": "0", "LOG_IDS": "1"})
    slug = app["slug"]
    with Counts(stack.leftovers().client, app["id"]) as counts:
        async with Traffic(stack.host(slug), stack.https_port, stack.trust(), slug) as traffic:
            for version in ("1", "2", "3"):
                await desk.call("PUT", f"/apps/{slug}", json={"env": {"VERSION": version}})
                await desk.deploy(slug)
                assert (await desk.look(slug, "/version")).text == version
        await asyncio.sleep(0.5)  # the engine hands the last lines on
    assert traffic.failed == []
    assert [request_id for request_id, times in counts.served.items() if times > 1] == []
    assert len(counts.served) > 0


async def test_scale(desk: Desk, stack: Stack) -> None:
    app = await desk.live(drain_seconds=1)
    slug = app["slug"]

    async def runs(number: int) -> None:
        async def ask() -> bool:
            seen = await desk.get(slug)
            return bool(seen["current_replicas"] == number == len(stack.leftovers().containers(app["id"])))

        await eventually(ask, what=f"{number} replicas")

    await desk.call("PUT", f"/apps/{slug}", json={"replicas": 3})
    await runs(3)
    await desk.call("PUT", f"/apps/{slug}", json={"replicas": 1})
    await runs(1)
    assert not (await desk.get(slug))["pending_changes"]


async def test_limits_change_live(desk: Desk, stack: Stack) -> None:
    app = await desk.live(memory_limit=64)
    (before,) = stack.leftovers().containers(app["id"])
    await desk.call("PUT", f"/apps/{app['slug']}", json={"memory_limit": 96, "cpu_limit": 0.5})

    async def applied() -> bool:
        (now,) = stack.leftovers().containers(app["id"])
        assert now["Id"] == before["Id"]
        host = stack.leftovers().client.inspect_container(now["Id"])["HostConfig"]
        return bool((host["Memory"], host["CpuQuota"]) == (96 * 1024 * 1024, 50_000))

    await eventually(applied, what="the limits on the container")


async def test_logs_of_a_replica_that_died(desk: Desk) -> None:
    app = await desk.app(images.exits())
    deployment = await desk.fail(app["slug"])
    logs = await desk.call("GET", f"/apps/{app['slug']}/logs", params={"tail": 100, "deployment_id": deployment["id"]})
    messages = [line["message"] for line in logs["items"]]
    assert any("DATABASE_URL is not set" in message for message in messages)
    assert {line["stream"] for line in logs["items"]} == {"stderr"}


async def test_logs_of_a_living_replica(desk: Desk) -> None:
    app = await desk.live(env={"LOG_IDS": "1"})
    async with desk.stack.app_client(app["slug"]) as client:
        await client.get("/", headers={"X-Request-Id": "find-me"})

    async def found() -> bool:
        logs = await desk.call("GET", f"/apps/{app['slug']}/logs", params={"tail": 50, "stream": "stdout"})
        return any("find-me" in line["message"] for line in logs["items"])

    await eventually(found, what="the line in the logs")
    plain = await desk.api.get(f"/apps/{app['id']}/logs", headers={"Accept": "text/plain"})
    assert "find-me" in plain.text


async def nothing_is_left(desk: Desk, app: Json) -> None:
    stack = desk.stack

    async def gone() -> bool:
        left = stack.leftovers()
        return not left.containers(app["id"]) and not left.tags(app["id"]) and not left.networks(app["project_id"])

    await eventually(gone, what="everything of the app to be gone")
    answer = await desk.api.get(f"/apps/{app['id']}")
    assert answer.status_code == 404
    host = stack.host(app["slug"])
    async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 - its certificate is gone with it
        answer = await client.get(f"https://127.0.0.1:{stack.https_port}/", headers={"Host": host}, extensions={"sni_hostname": host})
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_host"


async def test_delete(desk: Desk) -> None:
    app = await desk.live()
    answer = await desk.api.delete(f"/apps/{app['slug']}", params={"wait": WAIT})
    assert answer.is_success, answer.text
    await nothing_is_left(desk, app)


async def test_delete_in_mid_deploy(desk: Desk) -> None:
    for pause in (0.0, 0.02, 0.08, 0.2):
        app = await desk.app()
        await desk.call("POST", f"/apps/{app['slug']}/deploy")
        await asyncio.sleep(pause)
        answer = await desk.api.delete(f"/apps/{app['slug']}", params={"wait": WAIT})
        assert answer.is_success, answer.text
        await nothing_is_left(desk, app)
