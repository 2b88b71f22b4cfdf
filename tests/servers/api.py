"""The API on a free port of this process, with the bus as builder, runtime and metrics use it."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import nats.errors
import nats.js.errors
import uvicorn
from cryptography.fernet import Fernet
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from libs.common import clock, ids, subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.errors import failure
from libs.common.messages.api import Desired
from libs.common.messages.builder import ImageFailed, ImageReady, ImageStarted
from libs.common.messages.metrics import Observation, ReplicaSample
from libs.common.messages.runtime import (
    AppRemoved,
    ReleaseFailed,
    ReleaseLive,
    ReplicaEvent,
    ReplicaHealthy,
    ReplicaStarted,
    Settled,
)
from libs.common.states import ReplicaState
from services.api.accounts import passwords
from services.api.app import create_app
from services.api.core import Core
from services.api.http.protocol import Protocol
from services.api.settings import Settings

PASSWORD = "correct horse battery"
EMAIL = "admin@example.com"


@contextlib.contextmanager
def quick_hashes() -> Iterator[None]:
    """Passwords cost little; what was hashed so is checked with what it says of itself."""
    own = passwords._hasher, passwords.NOBODY
    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
    passwords._hasher, passwords.NOBODY = quick, quick.hash("of nobody")
    try:
        yield
    finally:
        passwords._hasher, passwords.NOBODY = own


class ApiServer:
    """`client` speaks as the first admin, by API key. Several servers on one `home` are API replicas."""

    def __init__(self, home: Path, nats_url: str, database_url: str, **settings: Any) -> None:
        self.settings = Settings(
            **{
                "home": str(home),
                "instance": "test",
                "nats_url": nats_url,
                "nats_setup_url": nats_url,
                "database_url": database_url,
                "secret_key": Fernet.generate_key().decode(),
                "admin_email": EMAIL,
                "admin_password": PASSWORD,
                **settings,
            }
        )
        self.app = create_app(self.settings)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.app, port=0, http=Protocol, log_level="error", lifespan="on", ws="websockets-sansio", timeout_graceful_shutdown=1
            )
        )
        self._task: asyncio.Task[None] | None = None
        self.client = httpx.AsyncClient()

    @property
    def core(self) -> Core:
        core: Core = self.app.state.core
        return core

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:
            assert not self._task.done(), "the API did not start"
            await asyncio.sleep(0.01)
        credentials = msgspec.json.decode((Path(self.settings.home) / "credentials.json").read_bytes())
        self.client = self.as_token(credentials["api_key"])

    async def stop(self) -> None:
        await self.client.aclose()
        self._server.should_exit = True
        if self._task:
            await self._task
            self._task = None

    def as_token(self, token: str | None) -> httpx.AsyncClient:
        """A client of `/api/v1` that sends `token`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)


class World:
    """What the other services say and see. It keeps to the contract: libs/common/messages."""

    def __init__(self, nats_url: str) -> None:
        self._url = nats_url
        self._commands: Any = None
        self._taken: dict[str, list[dict[str, Any]]] = {}
        self.builder: Bus
        self.runtime: Bus
        self.metrics: Bus

    async def start(self) -> None:
        self.builder = await Bus.connect(self._url, "builder")
        self.runtime = await Bus.connect(self._url, "runtime")
        self.metrics = await Bus.connect(self._url, "metrics")

    async def stop(self) -> None:
        for bus in (self.builder, self.runtime, self.metrics):
            await bus.close()

    async def command(self, app_id: str, seconds: float = 20) -> dict[str, Any]:
        """Take the next command about an app, as the builder does; the bus may be away for a while."""
        async with asyncio.timeout(seconds):
            while app_id not in self._taken:
                try:
                    await self._fetch()
                except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
                    self._commands = None
                    await asyncio.sleep(0.05)
        command: dict[str, Any] = self._taken[app_id].pop(0)
        if not self._taken[app_id]:
            del self._taken[app_id]
        return command

    async def _fetch(self) -> None:
        if self._commands is None:
            self._commands = await self.builder.js.pull_subscribe_bind("builder", subjects.COMMANDS)
        for message in await self._commands.fetch(1, timeout=1):
            await message.ack_sync()
            command = msgspec.json.decode(message.data)
            self._taken.setdefault(command["app_id"], []).append(command)

    def forget(self) -> None:
        """The bus is another one now: the consumer has to be bound again."""
        self._commands = None
        self._taken.clear()

    async def desired(self, app_id: str) -> Desired | None:
        found = await Bucket(self.runtime, subjects.DESIRED, Desired).get(app_id)
        return found[0] if found else None

    async def desired_where(self, app_id: str, condition: Any, seconds: float = 20) -> Desired:
        """What the runtime is told, as soon as it fulfils `condition`."""
        async with asyncio.timeout(seconds):
            while (found := await self.desired(app_id)) is None or not condition(found):
                await asyncio.sleep(0.01)
        return found

    async def image_started(self, deployment: dict[str, Any]) -> None:
        event_id = f"{deployment['id']}.prepare.started"
        await self.builder.say(
            ImageStarted(event_id=event_id, at=clock.now(), app_id=deployment["app_id"], deployment_id=deployment["id"]),
            deployment["app_id"],
        )

    async def image_ready(
        self, deployment: dict[str, Any], *exposed_ports: int, procfile: dict[str, tuple[str, ...]] | None = None
    ) -> None:
        await self.builder.say(
            ImageReady(
                event_id=f"{deployment['id']}.prepare.ready",
                at=clock.now(),
                app_id=deployment["app_id"],
                deployment_id=deployment["id"],
                image_id="sha256:" + "a" * 64,
                digest=None,
                found=True,
                exposed_ports=exposed_ports,
                procfile=procfile or {},
            ),
            deployment["app_id"],
        )

    async def image_failed(self, deployment: dict[str, Any], code: str = "image_not_found") -> None:
        await self.builder.say(
            ImageFailed(
                event_id=f"{deployment['id']}.prepare.failed",
                at=clock.now(),
                app_id=deployment["app_id"],
                deployment_id=deployment["id"],
                failure=failure("building", code, "The image is not there.", evidence=("manifest unknown",)),
            ),
            deployment["app_id"],
        )

    async def live(self, deployment: dict[str, Any]) -> None:
        await self.runtime.say(
            ReleaseLive(
                event_id=f"{deployment['id']}.live",
                at=clock.now(),
                app_id=deployment["app_id"],
                deployment_id=deployment["id"],
                release=deployment["number"],
                phases=(("create", 7.0), ("start", 180.5)),
            ),
            deployment["app_id"],
        )

    async def failed(self, deployment: dict[str, Any], code: str = "port_not_listening") -> None:
        await self.runtime.say(
            ReleaseFailed(
                event_id=f"{deployment['id']}.failed",
                at=clock.now(),
                app_id=deployment["app_id"],
                deployment_id=deployment["id"],
                release=deployment["number"],
                failure=failure("deploying", code, "Nothing listens on 80.", data={"listening": [8080]}),
            ),
            deployment["app_id"],
        )

    async def replica(self, kind: type[ReplicaEvent], deployment: dict[str, Any], slot: int = 0, **more: Any) -> str:
        """One fact about one container; return the container's name."""
        name = f"dk-{deployment['app_id']}-web-r{deployment['number']}.0-{slot}"
        event = kind(
            event_id=ids.new("fact"),
            at=clock.now(),
            app_id=deployment["app_id"],
            deployment_id=deployment["id"],
            release=deployment["number"],
            replica=name,
            container_id=f"c{deployment['number']}{slot}",
            **more,
        )
        await self.runtime.say(event, deployment["app_id"])
        return name

    async def settled(self, app_id: str, revision: int, running: int = 1) -> None:
        event_id = f"{app_id}.1.{revision}.settled"
        await self.runtime.say(
            Settled(event_id=event_id, at=clock.now(), app_id=app_id, epoch=1, revision=revision, running=running), app_id
        )

    async def removed(self, app_id: str) -> None:
        await self.runtime.say(AppRemoved(event_id=f"{app_id}.removed", at=clock.now(), app_id=app_id), app_id)

    async def bring_live(self, deployment: dict[str, Any]) -> None:
        """Everything that builder and runtime say of a deployment that succeeds."""
        await self.image_started(deployment)
        await self.image_ready(deployment)
        await self.desired_where(deployment["app_id"], lambda it: it.candidate and it.candidate.deployment_id == deployment["id"])
        await self.replica(ReplicaStarted, deployment)
        await self.replica(ReplicaHealthy, deployment)
        await self.live(deployment)

    async def observe(self, app_id: str, replicas: dict[str, ReplicaState], *, engine_ok: bool = True, cpu: float = 1.5) -> None:
        samples = tuple(
            ReplicaSample(app_id=app_id, release=1, replica=name, container_id="c", state=state, cpu_usage=cpu, memory_usage=20.25)
            for name, state in replicas.items()
        )
        observation = Observation(at=clock.now(), engine_id="e", engine_ok=engine_ok, interval_seconds=30, samples=samples)
        await self.metrics.broadcast(subjects.OBSERVATION, observation)
