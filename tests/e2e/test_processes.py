"""Processes beside `web`: of one release, all or nothing; they take no requests."""

import asyncio
import contextlib
from typing import Any

from docker.errors import APIError

from tests import images
from tests.e2e.conftest import Desk, Json
from tests.stack import Stack, eventually
from tests.stack.terminal import terminal

WORKS = ["/bin/sh", "-c", "echo at work; while :; do sleep 1; done"]
DIES = ["/bin/sh", "-c", "echo no work; exit 4"]
SERVES = ["/web", "serve"]


async def replicas(desk: Desk, slug: str) -> dict[str, list[str]]:
    """The names of the containers that run, by process."""
    stats = await desk.call("GET", f"/apps/{slug}/stats")
    found: dict[str, list[str]] = {}
    for one in stats["replicas"]:
        if one["state"] == "running":
            found.setdefault(one["process"], []).append(one["container_id"])
    return found


async def counts(desk: Desk, slug: str, **wanted: int) -> dict[str, list[str]]:
    """Wait until so many containers of each process run, and no others."""

    async def are_so() -> dict[str, list[str]] | None:
        found = await replicas(desk, slug)
        return found if {name: len(ids) for name, ids in found.items()} == wanted else None

    found = await eventually(are_so, what=f"{slug} to run {wanted}")
    assert found
    return found


async def with_worker(desk: Desk, **fields: Any) -> Json:
    return await desk.live(images.bare(), command=SERVES, processes={"worker": {"command": WORKS, **fields}})


async def test_they_run_beside_web_and_scale_live(desk: Desk, stack: Stack) -> None:
    app = await with_worker(desk, memory_limit=32)
    slug = app["slug"]
    assert app["processes"] == {"worker": {"command": WORKS, "replicas": 1, "cpu_limit": None, "memory_limit": 32}}
    assert (app["status"], app["current_replicas"], app["pending_changes"]) == ("running", 1, False)
    first = await counts(desk, slug, web=1, worker=1)
    assert [(await desk.look(slug)).status_code for _ in range(10)] == [200] * 10
    logs = await desk.call("GET", f"/apps/{slug}/logs", params={"process": "worker"})
    assert {line["message"] for line in logs["items"]} == {"at work"}
    async with terminal(stack, slug, process="worker", cmd="true") as program:
        assert "-worker-" in program.replica
        assert (await program.end())["code"] == 0
    async with terminal(stack, slug, cmd="true") as program:
        assert "-web-" in program.replica

    scaled = await desk.call("PUT", f"/apps/{slug}", json={"processes": {"worker": {"replicas": 2, "memory_limit": 48}}})
    assert (scaled["processes"]["worker"]["replicas"], scaled["pending_changes"]) == (2, False)
    after = await counts(desk, slug, web=1, worker=2)
    assert after["web"] == first["web"]
    assert set(first["worker"]) < set(after["worker"])
    limits = {images.client().inspect_container(one)["HostConfig"]["Memory"] // 1024**2 for one in after["worker"]}
    assert limits == {48}
    event = await desk.event(slug, "app.scaled")
    assert event["data"] == {"process": "worker", "from": 1, "to": 2}

    await desk.call("PUT", f"/apps/{slug}", json={"processes": {"worker": {"replicas": 0}}})
    await counts(desk, slug, web=1)
    await desk.call("DELETE", f"/apps/{slug}", params={"wait": 60})
    assert not images.client().containers(all=True, filters={"label": f"dockup.app={app['id']}"})


async def test_all_or_nothing_and_back_and_a_crash_loop(desk: Desk) -> None:
    app = await with_worker(desk)
    slug = app["slug"]
    before = await counts(desk, slug, web=1, worker=1)

    waiting = await desk.call("PUT", f"/apps/{slug}", json={"processes": {"worker": {"command": DIES}}})
    assert waiting["pending_fields"] == ["processes"]
    deployment = await desk.fail(slug)
    assert deployment["failure"]["code"] == "container_exited"
    assert "process worker exited with code 4" in deployment["failure"]["message"]
    assert "no work" in deployment["failure"]["evidence"]
    assert await counts(desk, slug, web=1, worker=1) == before
    assert (await desk.look(slug)).status_code == 200

    removed = await desk.call("PUT", f"/apps/{slug}", json={"processes": {"worker": None}})
    assert (removed["processes"], removed["pending_fields"]) == ({}, ["processes"])
    assert (await desk.deploy(slug))["status"] == "live"
    await counts(desk, slug, web=1)

    back = await desk.call("POST", f"/apps/{slug}/rollback", params={"wait": 60}, json={})
    assert back["status"] == "live"
    await counts(desk, slug, web=1, worker=1)
    assert (await desk.get(slug))["processes"]["worker"]["command"] == WORKS
    await a_crash_loop_leaves_web_alone(desk, slug)


async def a_crash_loop_leaves_web_alone(desk: Desk, slug: str) -> None:
    """The worker is killed as often as it is started again."""

    async def loops() -> Json | None:
        for container in (await replicas(desk, slug)).get("worker", []):
            with contextlib.suppress(APIError):  # it has just ended
                images.client().kill(container)
        found = await desk.get(slug)
        return found if found["status_reason"] == "crash_loop" else None

    found = await eventually(loops, 60, what="the crash loop to be said")
    assert found
    assert found["status"] == "running"
    assert "process worker" in found["status_detail"]
    assert all(answer.status_code == 200 for answer in await asyncio.gather(*(desk.look(slug) for _ in range(5))))
