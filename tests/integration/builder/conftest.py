"""A builder on a real bus and a real engine, and what it says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import nats.js.errors
import pytest
from cryptography.fernet import Fernet

from libs.common import ids, subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.messages import builder as messages
from libs.common.messages.api import Desired
from libs.common.secrets import Vault
from libs.common.states import Intent
from services.builder.__main__ import serve
from services.builder.settings import Settings
from tests import images
from tests.conftest import DOCKER_HOST
from tests.servers.gateway import SlowRoad
from tests.servers.git import PASSWORD, USER, GitServer
from tests.servers.nats import NatsServer
from tests.servers.registry import RegistryServer

T = TypeVar("T", bound=msgspec.Struct)
PATIENCE = 30
SECRET_KEY = Fernet.generate_key().decode()


class Stage:
    """The API's side: sends commands, hears events. `events` are (type, raw body) in the stream's order."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.app_id = ids.new("app")
        self.events: list[tuple[str, bytes]] = []
        self._heard = asyncio.Event()

    async def listen(self) -> None:
        subscription = await self.bus.js.subscribe(subjects.EVERY_EVENT, stream=subjects.EVENTS, ordered_consumer=True)
        async for message in subscription.messages:
            self.events.append((subjects.parse(message.subject).name, message.data))
            self._heard.set()
            self._heard = asyncio.Event()

    async def hear(self, kind: type[T]) -> T:
        """The first event of that type."""
        async with asyncio.timeout(PATIENCE):
            while not (found := self.all(kind)):
                await self._heard.wait()
        return found[0]

    def all(self, kind: type[T]) -> list[T]:
        return [msgspec.json.decode(body, type=kind) for name, body in self.events if name == kind.__name__]

    async def send(self, command: messages.PrepareImage | messages.BuildImage | messages.LoadImage | messages.CollectImages) -> None:
        await self.bus.publish(subjects.command("builder", command, self.app_id), command, command.command_id)

    async def prepare(
        self, reference: str, release: int = 1, *, login: messages.RegistryLogin | None = None, app_id: str = ""
    ) -> messages.PrepareImage:
        """Have it found or pulled; `login` is sealed here."""
        deployment_id = ids.new("dep")
        command = messages.PrepareImage(
            command_id=f"{deployment_id}.prepare",
            app_id=app_id or self.app_id,
            deployment_id=deployment_id,
            release=release,
            reference=reference,
            registry=Vault(SECRET_KEY).seal(login) if login else "",
        )
        await self.send(command)
        return command

    async def build(self, url: str, release: int = 1, **fields: Any) -> messages.BuildImage:
        """Have it built; `env`, `login` and `registries` are sealed here."""
        vault = Vault(SECRET_KEY)
        sealed = {name: vault.seal(fields.pop(name)) for name in ("env", "login", "registries") if name in fields}
        deployment_id = ids.new("dep")
        command = messages.BuildImage(
            command_id=f"{deployment_id}.prepare",
            app_id=self.app_id,
            deployment_id=deployment_id,
            release=release,
            url=url,
            **sealed,
            **fields,
        )
        await self.send(command)
        return command

    async def log(self, deployment_id: str) -> list[messages.BuildLine]:
        """What is kept of the deployment's build."""
        found: list[messages.BuildLine] = []
        sequence = 1
        subject = subjects.log(deployment_id, "build")
        while True:
            try:
                message = await self.bus.js.get_msg(subjects.LOGS, seq=sequence, subject=subject, direct=True, next=True)
            except nats.js.errors.NotFoundError:
                return found
            sequence = int(message.seq or 0) + 1
            found += msgspec.json.decode(message.data or b"[]", type=list[messages.BuildLine])

    async def logged(self, deployment_id: str, text: str) -> None:
        """Return when a line of the log holds the text."""
        async with asyncio.timeout(PATIENCE):
            while not any(text in line.message for line in await self.log(deployment_id)):
                await asyncio.sleep(0.02)

    async def delete_app(self) -> None:
        bucket = Bucket(self.bus, subjects.DESIRED, Desired)
        entry = Desired(app_id=self.app_id, project_id="prj_1", slug="a", hosts=(), epoch=1, revision=1, intent=Intent.DELETED)
        await bucket.put(self.app_id, entry)

    async def drop(self, release: int) -> None:
        """Nobody waits for the images up to that release any more: they were cancelled."""
        entry = Desired(
            app_id=self.app_id, project_id="prj_1", slug="a", hosts=(), epoch=1, revision=release, intent=Intent.RUNNING, dropped=release
        )
        await Bucket(self.bus, subjects.DESIRED, Desired).put(self.app_id, entry)

    async def put_back(self) -> None:
        """Return when a command was put back, or when one ended."""
        async with asyncio.timeout(PATIENCE):
            while not (self.all(messages.ImageReady) or self.all(messages.ImageFailed)):
                if (await self.bus.js.consumer_info(subjects.COMMANDS, "builder")).num_redelivered:
                    return
                await asyncio.sleep(0.02)

    async def done(self, *, but: int = 0) -> None:
        """Return when every command was acknowledged, or all but so many."""
        async with asyncio.timeout(PATIENCE):
            while (await self.bus.js.stream_info(subjects.COMMANDS)).state.messages > but:
                await asyncio.sleep(0.01)


@pytest.fixture
def settings(nats_server: NatsServer, tmp_path: Path) -> Settings:
    return Settings(
        home=str(tmp_path),
        instance="test-builder",
        nats_url=nats_server.url,
        docker_host=DOCKER_HOST,
        secret_key=SECRET_KEY,
        egress_allow=("127.0.0.0/8",),
    )


@pytest.fixture
async def stage(nats_server: NatsServer) -> AsyncIterator[Stage]:
    bus = await Bus.connect(nats_server.url, "api")
    stage = Stage(bus)
    listening = asyncio.create_task(stage.listen())
    yield stage
    listening.cancel()
    await bus.close()
    for image in images.client().images(filters={"reference": f"dockup/{stage.app_id}:*"}):
        for tag in image["RepoTags"]:
            images.client().remove_image(tag)


Start = Callable[..., Awaitable[None]]


@pytest.fixture
async def start(settings: Settings) -> AsyncIterator[Start]:
    """Start a builder in this process, wired as the service is; arguments replace settings."""
    running: list[asyncio.Task[None]] = []
    buses: list[Bus] = []

    async def go(**changes: object) -> None:
        chosen = msgspec.structs.replace(settings, **changes)
        bus = await Bus.connect(chosen.nats_url, "builder")
        buses.append(bus)
        running.append(asyncio.create_task(serve(chosen, bus)))

    yield go
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    for bus in buses:
        await bus.close()


@pytest.fixture
def git_host(tmp_path: Path) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "repos")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def closed_host(tmp_path: Path) -> Iterator[GitServer]:
    """A git host that wants a login."""
    server = GitServer(tmp_path / "closed", login=(USER, PASSWORD))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    server = RegistryServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def secret_registry(tmp_path: Path) -> Iterator[RegistryServer]:
    server = RegistryServer(tmp_path, private=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pushed(registry: RegistryServer) -> Iterator[str]:
    """An image that is in the registry alone: `127.0.0.1:PORT/team/app:1`."""
    local = images.unheard_of()
    reference = registry.push(local, "team/app")
    images.client().remove_image(local)
    yield reference
    forget(registry.port)


@pytest.fixture
async def road(registry: RegistryServer) -> AsyncIterator[SlowRoad]:
    """A way to the registry that can be slow."""
    road = SlowRoad(registry.port)
    await road.open()
    yield road
    road.close()
    forget(road.port)


def forget(port: int) -> None:
    """Remove what was pulled through that port; one that was pulled by its digest has no tag."""
    for image in images.client().images(name=f"127.0.0.1:{port}/team/app"):
        images.client().remove_image(image["Id"], force=True)
