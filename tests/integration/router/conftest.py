import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from libs.common.bus import Bus
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack
from tests.servers.nats import NatsServer

Replicas = Callable[[str], "Replica"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path: a unix socket's name has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="dk-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_server.url, "runtime")
    yield bus
    await bus.close()


@pytest.fixture
async def stack(home: Path, nats_server: NatsServer, bus: Bus) -> AsyncIterator[Stack]:
    """A router that is not started yet."""
    stack = Stack(home, nats_server, bus)
    yield stack
    stack.end()


@pytest.fixture
async def replicas() -> AsyncIterator[list[Replica]]:
    """Three running replicas of an app, on addresses of their own."""
    started = [await Replica(f"dk-app-web-r{number}.0-0", f"127.0.0.{number + 1}").start() for number in range(1, 4)]
    yield started
    for replica in started:
        await replica.stop()
