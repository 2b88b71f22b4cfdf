"""An API of its own for each test, on both databases: what is broken here is broken for good."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.bus import BusAway
from libs.common.messages.api import Complete
from tests.servers import sqlite
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer
from tests.servers.postgres import PostgresServer

PATIENCE = 45


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite.migrated(tmp_path / "dockup.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.migrated()


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


async def says_live(api: ApiServer, world: World, deployment: dict[str, Any]) -> bool:
    """As the runtime does: again and again, until the API has taken notice."""
    with contextlib.suppress(BusAway):
        await world.live(deployment)
    return await status_is(api, deployment, "live")


async def is_complete(world: World) -> bool:
    try:
        found = await Bucket(world.runtime, subjects.DESIRED, Complete).get(subjects.COMPLETE_KEY)
    except Exception:  # noqa: BLE001 - no bucket yet
        return False
    return found is not None and found[0].epoch == 1


async def is_told_of(world: World, deployment: dict[str, Any]) -> bool:
    return await world.desired(deployment["app_id"]) is not None


async def newest(api: ApiServer, number: int) -> dict[str, Any] | None:
    found: dict[str, Any] = (await api.client.get("/apps/shared/deployments?limit=1")).json()["items"][0]
    return found if found["number"] == number else None


async def gone(world: World, app_id: str) -> bool:
    return await world.desired(app_id) is None
