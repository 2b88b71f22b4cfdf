"""The runtime and the router as processes of their own, on a real NATS, engine and HAProxy; the test plays the API."""

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
from cryptography.fernet import Fernet
from nats.aio.msg import Msg

from libs.common import ids, subjects
from libs.common.bucket import Bucket, Mirror
from libs.common.bus import Bus, NoAnswer
from libs.common.engine import carriers, containers, networks, volumes
from libs.common.engine.connect import Engine
from libs.common.engine.containers import ContainerListed
from libs.common.messages.api import Complete, Desired, HealthCheck, Release
from libs.common.messages.ping import Pong
from libs.common.messages.router import Applied
from libs.common.messages.runtime import LogsAnswer, LogsQuery, Route
from libs.common.secrets import Vault
from libs.common.states import Intent
from tests.conftest import DOCKER_HOST
from tests.integration.router.stack import Stack as RouterStack
from tests.integration.router.stack import until
from tests.servers.nats import NatsServer
from tests.servers.process import Process

ROOT = Path(__file__).parents[3]
PATIENT = 30.0


class Said(msgspec.Struct, frozen=True):
    """One event as the bus has it."""

    name: str
    app_id: str
    data: dict[str, object]


class Stack:
    """`want` writes `desired`, `said` holds every event. `react` has the stand-in for the API take notice of what became live or failed."""

    def __init__(self, home: Path, nats: NatsServer, bus: Bus, engine: Engine) -> None:
        self.home = home
        self.nats = nats
        self.bus = bus
        self.engine = engine
        self.instance = ids.new("t")[-12:]
        self.router = RouterStack(home, nats, bus)
        self.vault_key = Fernet.generate_key().decode()
        self.vault = Vault(self.vault_key)
        self.desired: dict[str, Desired] = {}
        self.said: list[Said] = []
        self.routes = Mirror(bus, subjects.ROUTES, Route)
        self._wishes: Bucket[Desired] = Bucket(bus, subjects.DESIRED, Desired)
        self._complete: Bucket[Complete] = Bucket(bus, subjects.DESIRED, Complete)
        self._process = Process([sys.executable, "-m", "services.runtime"], home / "runtime.log")
        self._tasks = [asyncio.create_task(self.routes.run()), asyncio.create_task(self._listen())]
        self.react = True
        self.docker_host = DOCKER_HOST
        self.network_pool = "10.213.0.0/16"
        self.settings: dict[str, str] = {}

    async def _listen(self) -> None:
        async def take(message: Msg) -> None:
            parsed = subjects.parse(message.subject)
            event = Said(parsed.name, parsed.app_id, msgspec.json.decode(message.data))
            self.said.append(event)
            if self.react and event.name in {"ReleaseLive", "ReleaseFailed"}:
                await self._notice(event)

        # A core subscription hears what is published to the stream, and again what is published again.
        await self.bus.client.subscribe(subjects.EVERY_EVENT, cb=take)

    async def _notice(self, event: Said) -> None:
        desired = self.desired.get(event.app_id)
        if desired is None or desired.candidate is None or desired.candidate.deployment_id != event.data["deployment_id"]:
            return
        current = desired.candidate if event.name == "ReleaseLive" else desired.current
        await self.want(event.app_id, current=current, candidate=None)

    async def start(self) -> None:
        await self.router.start()
        await self.complete()
        self.launch()

    def launch(self) -> None:
        environment = {
            "PYTHONPATH": str(ROOT),
            "DOCKUP_HOME": str(self.home),
            "DOCKUP_INSTANCE": self.instance,
            "DOCKUP_NATS_URL": self.nats.url,
            "DOCKUP_SECRET_KEY": self.vault_key,
            "DOCKUP_DOCKER_HOST": self.docker_host,
            "DOCKUP_NETWORK_POOL": self.network_pool,
            "DOCKUP_LOG_LEVEL": "debug",
            **self.settings,
        }
        os.environ.update(environment)
        try:
            self._process.start(lambda: True)
        finally:
            for name in environment:
                del os.environ[name]

    def kill_runtime(self) -> None:
        self._process.kill()

    def stop_runtime(self) -> None:
        self._process.stop()

    async def complete(self) -> None:
        await self._complete.put(subjects.COMPLETE_KEY, Complete(epoch=1))

    def release(self, number: int, image: str, **fields: object) -> Release:
        env = fields.pop("env", {})
        defaults: dict[str, object] = {
            "number": number,
            "deployment_id": ids.new("dep"),
            "image": image,
            "image_id": self.engine.api.inspect_image(image)["Id"],
            "port": 8080,
            "env": self.vault.seal(env),
            "drain_seconds": 2,
            "health_check": HealthCheck(start_period_seconds=2),
        }
        return Release(**{**defaults, **fields})  # type: ignore[arg-type]

    def new_app(self, project_id: str | None = None) -> str:
        app_id = ids.new("app")
        slug = app_id.replace("_", "-")
        self.desired[app_id] = Desired(
            app_id=app_id,
            project_id=project_id or ids.new("prj"),
            slug=slug,
            hosts=(f"{slug}.localhost",),
            epoch=1,
            revision=0,
            intent=Intent.RUNNING,
        )
        return app_id

    async def want(self, app_id: str, **fields: object) -> Desired:
        """Write a newer wish."""
        old = self.desired[app_id]
        new = msgspec.structs.replace(old, revision=old.revision + 1, **fields)
        self.desired[app_id] = new
        await self._wishes.put(app_id, new)
        return new

    async def forget(self, app_id: str) -> None:
        """The API took notice that the app is gone."""
        await self._wishes.delete(app_id)

    async def deploy(self, app_id: str, release: Release, **fields: object) -> Said:
        """Make it the candidate and wait for its end."""
        await self.want(app_id, candidate=release, **fields)
        return await self.end_of(release)

    async def end_of(self, release: Release) -> Said:
        def ended() -> list[Said]:
            ends = [event for event in self.said if event.name in {"ReleaseLive", "ReleaseFailed"}]
            return [event for event in ends if event.data["deployment_id"] == release.deployment_id]

        await until(ended, PATIENT)
        return ended()[0]

    async def settled(self, app_id: str, seconds: float = PATIENT) -> Said:
        """Wait until the last wish is said to be settled."""

        def found() -> list[Said]:
            revision = self.desired[app_id].revision
            return [event for event in self.said_of(app_id, "Settled") if event.data["revision"] == revision]

        await until(found, seconds)
        return found()[0]

    def said_of(self, app_id: str, name: str) -> list[Said]:
        return [event for event in self.said if event.app_id == app_id and event.name == name]

    async def wait_said(self, app_id: str, name: str, count: int = 1) -> list[Said]:
        await until(lambda: len({event.data["event_id"] for event in self.said_of(app_id, name)}) >= count, PATIENT)
        return self.said_of(app_id, name)

    async def containers(self, app_id: str) -> list[ContainerListed]:
        return sorted(await containers.list_ours(self.engine, self.instance, app_id), key=lambda listed: listed.name)

    async def wait_containers(self, app_id: str, condition: Callable[[list[ContainerListed]], object]) -> None:
        async with asyncio.timeout(PATIENT):
            while not condition(await self.containers(app_id)):
                await asyncio.sleep(0.05)

    async def get(self, app_id: str, path: str = "/", timeout: float = 5.0) -> httpx.Response:
        host = self.desired[app_id].hosts[0]
        context = ssl.create_default_context(cafile=str(self.router.root))
        async with httpx.AsyncClient(verify=context, timeout=timeout) as client:
            url = f"https://127.0.0.1:{self.router.https_port}{path}"
            return await client.get(url, headers={"Host": host}, extensions={"sni_hostname": host})

    async def version(self, app_id: str) -> str:
        return (await self.get(app_id, "/version")).text.strip()

    async def logs(self, app_id: str, **fields: object) -> LogsAnswer:
        return await self.bus.query("runtime", "logs", LogsQuery(app_id=app_id, **fields), LogsAnswer)  # type: ignore[arg-type]

    async def ping(self) -> Pong | None:
        try:
            return await self.bus.query("runtime", "ping", {}, Pong, timeout=1)
        except NoAnswer:
            return None

    def applied(self) -> dict[str, Applied]:
        return self.router.applied.entries

    async def end(self) -> None:
        """End everything; what the runtime said stands in the report of a test that failed."""
        self._process.kill()
        sys.stdout.write((self.home / "runtime.log").read_text(encoding="utf-8") if (self.home / "runtime.log").is_file() else "")
        for task in self._tasks:
            task.cancel()
        self.router.end()
        for listed in await containers.list_ours(self.engine, self.instance):
            await containers.remove(self.engine, listed.id)
        await carriers.sweep(self.engine, self.instance, set(), older_than=0)
        for volume in await volumes.list_ours(self.engine, self.instance):
            await volumes.remove(self.engine, volume.name)
        for network in await networks.list_all(self.engine):
            if network.labels.get("dockup.instance") == self.instance:
                with contextlib.suppress(Exception):
                    await networks.remove(self.engine, network.id)
