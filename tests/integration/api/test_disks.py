"""Disks that fill: told once a mark, new work refused, everything else taken."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs.common import clock, disks, ids, subjects
from libs.common.disks import Disk
from libs.common.messages.metrics import Observation
from services.api.disks import room
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
INTERVAL = 30.0


@pytest_asyncio.fixture(loop_scope="module")
async def full(home: Path, bus_server: NatsServer, database_url: str, api: ApiServer) -> AsyncIterator[ApiServer]:
    """Another process of the same API, for which the state folder's disk, as it is, is full."""
    used = disks.measure_all(str(home), "")[0].used_percent
    marks = {"disk_high_percent": used / 4, "disk_full_percent": used / 2}
    server = ApiServer(home, bus_server.url, database_url, secret_key=api.settings.secret_key, **marks)
    await server.start()
    yield server
    await server.stop()


def engine_disk(percent: int) -> Disk:
    return Disk(places=("engine",), path="/var/lib/docker", used_bytes=percent * 10**9, free_bytes=(100 - percent) * 10**9)


async def say(world: World, *seen: Disk, interval: float = INTERVAL) -> None:
    observation = Observation(at=clock.now(), engine_id="e", engine_ok=True, interval_seconds=interval, samples=(), disks=seen)
    await world.metrics.broadcast(subjects.OBSERVATION, observation)


async def shown(api: ApiServer) -> dict[str, Any]:
    body: dict[str, Any] = (await api.client.get("/system/status")).json()
    return {place: each for each in body["disks"] for place in each["places"]}


async def reaches(api: ApiServer, percent: int) -> str:
    async def ask() -> str:
        engine = (await shown(api)).get("engine")
        return engine["status"] if engine and engine["used_percent"] == percent else ""

    return await eventually(ask, what=f"{percent} %")


async def told(api: ApiServer) -> list[str]:
    events = (await api.client.get("/events", params={"limit": 200})).json()["items"]
    return [event["type"] for event in events if event["type"].startswith("system.disk")]


async def test_a_state_folder_that_is_full(full: ApiServer, live: dict[str, Any], project: dict[str, Any]) -> None:
    slug = ids.new("s")[-12:]
    new = {"name": "more", "slug": slug, "image": "nginx:alpine"}
    tar = {"content": b"x" * 100_000, "headers": {"Content-Type": "application/x-tar"}}
    refused: list[tuple[str, dict[str, Any]]] = [
        ("/projects", {"json": {"name": "More"}}),
        (f"/projects/{project['id']}/apps", {"json": new}),
        (f"/apps/{live['id']}/deploy", {}),
        (f"/deploy/{live['slug']}", {}),
        (f"/deploy/{slug}", {"json": {"create": True, "project": "Tests", "name": "more", "image": "nginx:alpine"}}),
        (f"/apps/{live['id']}/deploy", tar),
        (f"/apps/{live['id']}/upload-image", tar),
    ]
    for path, given in refused:
        answer = await full.client.post(path, **given)
        assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (507, "disk_full", True), (path, answer.text)
        assert "MB are free" in answer.json()["detail"]
    assert (await full.client.get(f"/apps/{slug}")).status_code == 404
    assert len((await full.client.get(f"/apps/{live['id']}/deployments")).json()["items"]) == 1
    body = (await full.client.get("/system/status")).json()
    assert (body["status"], body["disks"][0]["status"], body["disks"][0]["places"][0]) == ("degraded", "full", "state")
    for verb in ("stop", "start", "restart"):
        assert (await full.client.post(f"/apps/{live['id']}/{verb}")).status_code == 202
    assert (await full.client.put(f"/apps/{live['id']}", json={"memory_limit": 128})).status_code == 200
    assert (await full.client.delete(f"/apps/{live['id']}")).status_code == 202


async def test_an_engine_whose_disk_fills(api: ApiServer, world: World, app: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the metrics service says; a word that is old, or that says nothing of disks, refuses nobody."""
    monkeypatch.setattr(room, "_KEPT_SECONDS", 0.1)
    deploy = f"/apps/{app['id']}/deploy"
    assert "engine" not in await shown(api)
    levels = []
    for percent in (85, 96, 85, 97):
        await say(world, engine_disk(percent))
        levels.append(await reaches(api, percent))
    assert levels == ["high", "full", "high", "full"]

    async def feed() -> bool:
        names = ["high", "full", "room", "full"]
        return await told(api) == [f"system.disk_{name}" for name in names]

    await eventually(feed, what="the feed")
    await say(world)
    answer = await api.client.post(deploy)
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert "(engine) is 97 % full" in answer.json()["detail"]
    await say(world, engine_disk(98), interval=0.1)

    async def taken() -> bool:
        return (await api.client.post(deploy)).status_code == 202

    await eventually(taken, what="the deploy")
