"""The API on both databases, with a real bus. One API serves a module: its tests name their apps apart."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs.common import ids
from tests.servers import sqlite
from tests.servers.api import ApiServer, World, quick_hashes
from tests.servers.nats import NatsServer
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Passwords that are hashed in a hundredth of the time; the whole stacks of tests/e2e hash them as they are meant to be."""
    with quick_hashes():
        yield


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The suite runs on each."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def database_url(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new one."""
    if database == "sqlite":
        return sqlite.migrated(tmp_path_factory.mktemp("database") / "dockup.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.migrated()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def bus_server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One for each database: an empty database on a bus that knows apps would be taken for one that was lost."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    server.ensure()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    """What a module's API is told beside the usual."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(home: Path, bus_server: NatsServer, database_url: str, api_settings: dict[str, Any]) -> AsyncIterator[ApiServer]:
    """A running API; `api.client` speaks as the first admin."""
    server = ApiServer(home, bus_server.url, database_url, **api_settings)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(bus_server: NatsServer, api: ApiServer) -> AsyncIterator[World]:
    """The other services, as the bus knows them."""
    world = World(bus_server.url)
    await world.start()
    yield world
    await world.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(api: ApiServer) -> dict[str, Any]:
    made: dict[str, Any] = (await api.client.post("/projects", json={"name": "Tests"})).json()
    return made


@pytest_asyncio.fixture(loop_scope="module")
async def app(api: ApiServer, project: dict[str, Any]) -> dict[str, Any]:
    """An app that was not deployed yet."""
    body = {"name": "demo", "slug": f"demo-{ids.new('s')[-12:]}", "image": "nginx:alpine"}
    made: dict[str, Any] = (await api.client.post(f"/projects/{project['id']}/apps", json=body)).json()
    return made


@pytest_asyncio.fixture(loop_scope="module")
async def live(api: ApiServer, world: World, app: dict[str, Any]) -> dict[str, Any]:
    """An app whose first deployment is live; `deployment` is beside the app's own fields."""
    deployment = (await api.client.post(f"/apps/{app['id']}/deploy")).json()
    await world.command(app["id"])
    await world.bring_live(deployment)
    await world.desired_where(app["id"], lambda it: it.current is not None)
    return {**(await api.client.get(f"/apps/{app['id']}")).json(), "deployment": deployment}
