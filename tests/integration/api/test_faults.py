"""The bus goes away, comes back, comes back empty; several APIs share one database. What was accepted happens once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.messages.api import Complete
from libs.common.states import Intent
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer

PATIENCE = 45


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/dockup.db"
    url: str = request.getfixturevalue("postgres").create_database()
    return url


@pytest.fixture
async def api(tmp_path: Path, nats_server: NatsServer, database_url: str) -> AsyncIterator[ApiServer]:
    server = ApiServer(tmp_path, nats_server.url, database_url)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def world(nats_server: NatsServer) -> AsyncIterator[World]:
    world = World(nats_server.url)
    await world.start()
    yield world
    await world.stop()


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


async def make(api: ApiServer, slug: str) -> dict[str, Any]:
    """An app and its first deployment."""
    body = {"create": True, "project": "Faults", "image": "nginx"}
    answer = await api.client.post(f"/deploy/{slug}", json=body)
    assert answer.status_code == 202, answer.text
    deployment: dict[str, Any] = answer.json()
    return deployment


async def status_is(api: ApiServer, deployment: dict[str, Any], status: str) -> bool:
    return bool((await api.client.get(f"/deployments/{deployment['id']}")).json()["status"] == status)


async def bring_live(api: ApiServer, world: World, deployment: dict[str, Any]) -> None:
    await world.image_ready(deployment)
    await until(lambda: status_is(api, deployment, "deploying"))
    await world.live(deployment)
    await until(lambda: status_is(api, deployment, "live"))


async def test_work_waits_for_the_bus(api: ApiServer, world: World, nats_server: NatsServer) -> None:
    nats_server.kill()
    deployment = await make(api, "waits")
    assert (await api.client.get("/apps/waits")).json()["status"] == "starting"
    nats_server.start()
    assert (await world.command(deployment["app_id"], PATIENCE))["deployment_id"] == deployment["id"]
    await bring_live(api, world, deployment)


async def test_a_wiped_bus_is_filled_again(api: ApiServer, world: World, nats_server: NatsServer) -> None:
    first = await make(api, "wiped")
    await world.command(first["app_id"])
    await bring_live(api, world, first)
    second = await make(api, "wiped")
    await world.command(first["app_id"])
    seen = (await api.client.get("/apps/wiped/events?limit=200")).json()
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()

    async def complete() -> bool:
        try:
            found = await Bucket(world.runtime, subjects.DESIRED, Complete).get(subjects.COMPLETE_KEY)
        except Exception:  # noqa: BLE001 - no bucket yet
            return False
        return found is not None and found[0].epoch == 1

    await until(complete)
    desired = await world.desired(first["app_id"])
    assert desired
    assert desired.current
    assert desired.current.deployment_id == first["id"]
    world.forget()
    again = await world.command(first["app_id"], PATIENCE)
    assert again["command_id"] == f"{second['id']}.prepare"
    await bring_live(api, world, second)
    feed = (await api.client.get("/apps/wiped/events?limit=200")).json()["items"]
    assert feed[: len(seen["items"])] == seen["items"]
    assert all(event["seq"] > seen["items"][-1]["seq"] for event in feed[len(seen["items"]) :])
    assert [event["type"] for event in feed].count("deployment.live") == 2


async def test_what_the_builder_buried_ends(api: ApiServer, world: World) -> None:
    deployment = await make(api, "buried")
    command = await world.command(deployment["app_id"])
    headers = {"Nats-Msg-Id": command["command_id"], "Dockup-Reason": "cannot be read"}
    await world.builder.store(subjects.dead("builder", deployment["app_id"]), b"{}", headers)
    failed = await until(lambda: status_is(api, deployment, "failed")) and (await api.client.get(f"/deployments/{deployment['id']}")).json()
    assert failed["failure"]["code"] == "internal_error"
    assert "cannot be read" in failed["failure"]["message"]


async def test_what_nobody_can_read_is_passed_over(api: ApiServer, world: World) -> None:
    await world.runtime.store("dockup.evt.runtime.FromTheFuture._", b"{}", {"Nats-Msg-Id": "1"})
    await world.runtime.store("dockup.evt.runtime.ReleaseLive._", b"not json", {"Nats-Msg-Id": "2"})
    await world.runtime.store("dockup.evt.runtime.ReleaseLive.x.y.z", b"{}", {"Nats-Msg-Id": "3"})
    deployment = await make(api, "goes-on")
    await bring_live(api, world, deployment)


async def test_a_restart_of_the_api_loses_nothing(
    api: ApiServer, world: World, nats_server: NatsServer, tmp_path: Path, database_url: str
) -> None:
    deployment = await make(api, "restarted")
    await world.command(deployment["app_id"])
    await api.stop()
    await world.image_ready(deployment)
    again = ApiServer(tmp_path, nats_server.url, database_url, secret_key=api.settings.secret_key)
    await again.start()
    try:
        await until(lambda: status_is(again, deployment, "deploying"))
        await world.live(deployment)
        await until(lambda: status_is(again, deployment, "live"))
    finally:
        await again.stop()


async def test_two_apis_are_one(api: ApiServer, world: World, nats_server: NatsServer, tmp_path: Path, database_url: str) -> None:
    other = ApiServer(tmp_path, nats_server.url, database_url, secret_key=api.settings.secret_key)
    await other.start()
    try:
        made = await make(api, "shared")
        waiting = asyncio.create_task(other.client.get(f"/apps/shared/events?wait={PATIENCE}&after=0"))
        assert (await waiting).json()["items"]
        deployments = [made] + [(await side.client.post("/apps/shared/deploy")).json() for side in (other, api) * 3]
        assert [it["number"] for it in deployments] == list(range(1, 8))
        waiting = asyncio.create_task(other.client.post(f"/apps/shared/deploy?wait={PATIENCE}"))
        last = await until(lambda: newest(api, 8))
        await bring_live(api, world, last)
        assert (await waiting).status_code == 200
        key = (await api.client.post("/api-keys", json={"name": "k", "scopes": ["read"]})).json()
        reader = other.as_token(key["key"])
        assert (await reader.get("/apps/shared")).json()["status"] in {"running", "starting"}
        await api.client.delete(f"/api-keys/{key['id']}")
        assert (await reader.get("/apps/shared")).status_code == 401
        feed = (await other.client.get("/apps/shared/events?limit=200")).json()["items"]
        assert [event["type"] for event in feed].count("deployment.live") == 1
    finally:
        await other.stop()


async def newest(api: ApiServer, number: int) -> dict[str, Any] | None:
    found: dict[str, Any] = (await api.client.get("/apps/shared/deployments?limit=1")).json()["items"][0]
    return found if found["number"] == number else None


async def test_an_entry_from_before_never_comes_back(api: ApiServer, world: World) -> None:
    """`(epoch, revision)` of `desired` never falls, whoever writes late."""
    deployment = await make(api, "late")
    app_id = deployment["app_id"]
    before = await world.desired_where(app_id, lambda it: it.revision >= 1)
    await api.client.post("/apps/late/stop")
    await world.desired_where(app_id, lambda it: it.intent is Intent.STOPPED)
    await api.core.relay.write(before)
    after = await world.desired(app_id)
    assert after
    assert (after.intent, after.revision > before.revision) == (Intent.STOPPED, True)
    await api.client.delete("/apps/late")
    await world.desired_where(app_id, lambda it: it.intent is Intent.DELETED)
    await world.removed(app_id)
    await until(lambda: gone(world, app_id))
    await api.core.relay.write(before)
    assert await world.desired(app_id) is None


async def gone(world: World, app_id: str) -> bool:
    return await world.desired(app_id) is None
