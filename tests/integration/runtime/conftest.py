import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from libs.common.bus import Bus
from libs.common.engine.connect import Engine
from tests.integration.runtime.stack import Stack
from tests.servers.git import PASSWORD, USER, GitServer, git
from tests.servers.model import ModelServer
from tests.servers.nats import NatsServer


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path: a unix socket's name has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="dkrt-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_server.url, "api")
    yield bus
    await bus.close()


@pytest.fixture
async def stack(home: Path, nats_server: NatsServer, bus: Bus, engine: Engine) -> AsyncIterator[Stack]:
    """Router and runtime, started; `desired` is complete and empty."""
    stack = Stack(home, nats_server, bus, engine)
    await stack.start()
    yield stack
    await stack.end()


@pytest.fixture
def model() -> Iterator[ModelServer]:
    server = ModelServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitServer]:
    """A git host that wants a login, and has one repository that may be pushed to."""
    server = GitServer(tmp_path / "host", login=(USER, PASSWORD))
    server.start()
    server.make_repo("demo", {"page": "at first\n"})
    git(server.path("demo"), "config", "http.receivepack", "true")
    yield server
    server.stop()
