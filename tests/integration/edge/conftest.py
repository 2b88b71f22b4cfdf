"""The whole API as an ASGI application over a real database, SQLite and PostgreSQL in turn; the bus is away unless a test has one."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from cryptography.fernet import Fernet

from services.api.app import create_app
from services.api.http.edge import Edge
from services.api.settings import Settings
from tests.servers import sqlite
from tests.servers.api import quick_hashes
from tests.servers.postgres import PostgresServer

NOBODY = "nats://127.0.0.1:1"


class Api:
    """A running API. `as_admin` carries the key of credentials.json; `as_nobody` no token."""

    def __init__(self, app: Edge, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.credentials: dict[str, Any] = json.loads((Path(settings.home) / "credentials.json").read_text(encoding="utf-8"))
        self.as_nobody = self.client("")
        self.as_admin = self.client(self.credentials["api_key"])

    def client(self, token: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://api", headers=headers)

    async def log_in(self, email: str = "", password: str = "") -> httpx.AsyncClient:
        body = {"email": email or self.credentials["email"], "password": password or self.credentials["password"]}
        answer = await self.as_nobody.post("/api/v1/auth/login", json=body)
        return self.client(answer.raise_for_status().json()["token"])

    async def member(self, email: str = "ada@example.com") -> tuple[dict[str, Any], httpx.AsyncClient]:
        """A new user of role member, and a client that is logged in as them."""
        user = (await self.as_admin.post("/api/v1/users", json={"email": email})).raise_for_status().json()
        return user, await self.log_in(email, user["password"])

    async def key(self, owner: httpx.AsyncClient, *scopes: str, **more: Any) -> httpx.AsyncClient:
        """A client with a new key of `owner`."""
        answer = await owner.post("/api/v1/api-keys", json={"name": "test", "scopes": list(scopes), **more})
        return self.client(answer.raise_for_status().json()["key"])


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    """The API from its start to its end. Its life span is a task of its own: a fixture begins and ends in different ones."""
    app = create_app(settings)
    started, done = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await done.wait()

    task = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not started.is_set():
        await task
    try:
        yield Api(app, settings)
    finally:
        done.set()
        await task


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Passwords that are hashed in a hundredth of the time; the whole stacks of tests/e2e hash them as they are meant to be."""
    with quick_hashes():
        yield


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """None for SQLite."""
    return cast("PostgresServer", request.getfixturevalue("postgres")) if request.param == "postgres" else None


@pytest.fixture
def empty(server: PostgresServer | None, tmp_path: Path) -> Settings:
    """With a database that nothing is in, not even a schema."""
    return _settings(tmp_path, server.create_database() if server else "")


@pytest.fixture
def settings(server: PostgresServer | None, tmp_path: Path) -> Settings:
    """With a database of today's schema."""
    if server is None:
        sqlite.migrated(tmp_path / "api" / "dockup.db")
    return _settings(tmp_path, server.migrated() if server else "")


def _settings(home: Path, url: str) -> Settings:
    return Settings(
        home=str(home),
        instance="test",
        nats_url=NOBODY,
        nats_setup_url=NOBODY,
        secret_key=Fernet.generate_key().decode(),
        database_url=url,
        admin_password="the admin's password",
        registration="open",
    )


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with running(settings) as api:
        yield api


def changed(settings: Settings, **values: Any) -> Settings:
    return msgspec.structs.replace(settings, **values)


async def until(condition: Any, seconds: float = 30) -> None:
    """Wait for an async condition, bounded."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
