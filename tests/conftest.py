"""The real parts that tests run against. Each is started only when a test asks for it."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from libs.common.engine.connect import Engine
from tests.servers.nats import NatsServer
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.stack import Stack

# As structlog does unasked, but for tracebacks: with every local variable in colour one takes seconds.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
# Bytecode is kept, whatever the machine says: without it every service and every verb compiles all of its libraries as it starts.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
DOCKER_HOST = os.environ.get("DOCKUP_DOCKER_HOST", "unix:///var/run/docker.sock")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers get what belongs together; `--dist each` and its like stay as they are."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from tests.schedule import Together  # noqa: PLC0415 - only where there are workers

    return Together(config, log)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS server with all streams, buckets and consumers, for one test. No users: `Bus.connect(nats_server.url, "runtime")`."""
    folder = tmp_path / "nats"
    folder.mkdir()
    server = NatsServer(folder)
    server.start()
    server.ensure()
    yield server
    server.kill()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server on a unix socket, for one test."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """The machine's Docker Engine; a test labels what it makes and removes it."""
    engine = await Engine.open(DOCKER_HOST)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run; `create_database()` gives each test its own."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A whole Dockup for the run, with a sync every two seconds, and the registries of tests on loopback.

    What a test breaks it heals; slugs are its own.
    """
    stack = Stack(sync_seconds="2", scale_seconds="1", egress_allow="127.0.0.1/32")
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The stack's API with the first admin's key."""
    async with stack.client() as client:
        yield client
