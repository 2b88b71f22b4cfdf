"""The API on both databases, with a real bus."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: the suite runs on each."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/api/dockup.db"
    url: str = request.getfixturevalue("postgres").create_database()
    return url


@pytest.fixture
async def api(tmp_path: Path, nats_server: NatsServer, database_url: str) -> AsyncIterator[ApiServer]:
    """A running API; `api.client` speaks as the first admin."""
    server = ApiServer(tmp_path, nats_server.url, database_url)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def world(nats_server: NatsServer) -> AsyncIterator[World]:
    """The other services, as the bus knows them."""
    world = World(nats_server.url)
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
async def app(api: ApiServer) -> dict[str, Any]:
    """An app `demo` that was not deployed yet."""
    project = (await api.client.post("/projects", json={"name": "Tests"})).json()
    answer = await api.client.post(f"/projects/{project['id']}/apps", json={"name": "demo", "image": "nginx:alpine"})
    created: dict[str, Any] = answer.json()
    return created
