"""A connection, commands, and a worker that takes them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.messages.builder import CollectImages, PrepareImage
from libs.common.worker import Worker
from libs.supervisor import natsconf
from libs.supervisor.children import nats_server as find_nats_server
from libs.supervisor.home import NATS_USERS
from tests.servers.nats import NatsServer
from tests.servers.ports import free_port
from tests.servers.process import Process

Take = Callable[[msgspec.Struct], Awaitable[None]]


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Guarded:
    """A NATS server with the users that `dockup up` writes; `url_of` has a user's login. It keeps its port over `restart`."""

    def __init__(self, folder: Path) -> None:
        self.passwords = {user: f"password-of-{user}" for user in NATS_USERS}
        self._port = free_port()
        self._process = Process([find_nats_server(), "-c", str(folder / "nats.conf")], folder / "nats.log")
        conf = natsconf.render(port=self._port, store=str(folder / "store"), passwords=self.passwords)
        (folder / "nats.conf").write_text(conf)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def url_of(self, user: str) -> str:
        return f"nats://{user}:{self.passwords[user]}@127.0.0.1:{self._port}"

    def start(self) -> None:
        self._process.start(lambda: answers(self._port))

    def restart(self) -> None:
        self._process.kill()
        self.start()

    def stop(self) -> None:
        self._process.stop()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    server = Guarded(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_server.url, "builder")
    yield bus
    await bus.close()


def prepare(number: int) -> PrepareImage:
    return PrepareImage(command_id=f"c{number}", app_id=ids.new("app"), deployment_id="dep_1", release=number, reference="web:1")


async def send(bus: Bus, message: PrepareImage | CollectImages) -> int:
    return await bus.publish(subjects.command("builder", message, message.app_id), message, message.command_id)


@asynccontextmanager
async def working(bus: Bus, take: Take) -> AsyncIterator[Worker]:
    async def ready() -> bool:
        return True

    working = Worker(bus, {PrepareImage: take}, count=2, ready=ready)
    task = asyncio.create_task(working.run())
    yield working
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def buried(bus: Bus) -> bool:
    return bool((await bus.js.stream_info(subjects.DEADLETTER)).state.messages)


async def until_true(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
