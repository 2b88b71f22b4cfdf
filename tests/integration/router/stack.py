"""The router as a process of its own, with a real NATS and HAProxy, and the runtime's side of the conversation."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from libs.common import ids, subjects
from libs.common.bucket import Bucket, Mirror
from libs.common.bus import Bus, NoAnswer
from libs.common.messages.api import Front
from libs.common.messages.ping import Pong
from libs.common.messages.router import Applied, RouterLease
from libs.common.messages.runtime import Route, Upstream
from libs.common.messages.scale import Scale
from tests.servers.nats import NatsServer
from tests.servers.ports import free_ports
from tests.servers.process import Process

ROOT = Path(__file__).parents[3]


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Stack:
    """`route` says what the runtime would; `get` asks through the proxy, the certificate checked against the root."""

    def __init__(self, home: Path, nats: NatsServer, bus: Bus, **settings: str) -> None:
        self.home = home
        self.files = home / "router"
        self.root = self.files / "ca" / "root.crt"
        self.http_port, self.https_port, self.api_port = free_ports(3)
        self.nats = nats
        self.bus = bus
        self.routes = Bucket(bus, subjects.ROUTES, Route)
        self.scale = Bucket(bus, subjects.SCALE, Scale)
        self.applied = Mirror(bus, subjects.APPLIED, Applied)
        self.leases = Mirror(bus, subjects.LEASES, RouterLease)
        self.settings = settings
        self._revisions: dict[str, int] = {}
        self._process = Process([sys.executable, "-m", "services.router"], home / "router.log")
        self._mirrors = [asyncio.create_task(mirror.run()) for mirror in (self.applied, self.leases)]

    def launch(self) -> None:
        """Start the router without waiting for anything."""
        os.environ.update(self._environment())
        try:
            self._process.start(lambda: True)
        finally:
            for name in self._environment():
                del os.environ[name]

    async def start(self) -> None:
        """Start the router and wait until its lease says that the proxy serves. Leases of others say nothing of it."""
        before = self._leased()
        self.launch()
        await until(lambda: self._leased() not in {0, before})

    def _leased(self) -> int:
        """The revision of this router's own lease."""
        own = [key for key, lease in self.leases.entries.items() if lease.http_port == self.http_port]
        return self.leases.revisions[own[0]] if own else 0

    def set(self, **settings: str) -> None:
        """Other settings for the next start."""
        self.settings |= settings

    def kill_router(self) -> None:
        self._process.kill()

    def freeze_router(self) -> None:
        """Until it is killed."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def stop_router(self) -> None:
        self._process.stop()

    @property
    def haproxy_pid(self) -> int:
        return int((self.files / "haproxy.pid").read_text(encoding="ascii"))

    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT),
            "DOCKUP_HOME": str(self.home),
            "DOCKUP_INSTANCE": "test",
            "DOCKUP_NATS_URL": self.nats.url,
            "DOCKUP_HTTP_PORT": str(self.http_port),
            "DOCKUP_HTTPS_PORT": str(self.https_port),
            "DOCKUP_API_PORT": str(self.api_port),
            "DOCKUP_BIND": "127.0.0.1",
            **{f"DOCKUP_{name.upper()}": value for name, value in self.settings.items()},
        }

    async def put(
        self,
        app_id: str,
        *upstreams: Upstream,
        hosts: tuple[str, ...] | None = None,
        asleep: bool = False,
        paused: bool = False,
        front: Front | None = None,
    ) -> Route:
        """Write a newer route of the app; its host is `{app_id}.localhost` unless said. Without hosts it is gone."""
        self._revisions[app_id] = self._revisions.get(app_id, 0) + 1
        named = (self.host(app_id),) if hosts is None else hosts
        route = Route(
            app_id=app_id,
            slug=app_id,
            revision=self._revisions[app_id],
            hosts=named,
            upstreams=upstreams,
            asleep=asleep,
            paused=paused,
            front=front,
            former_hosts=() if named else (self.host(app_id),),
        )
        await self.routes.put(app_id, route)
        return route

    async def route(
        self,
        app_id: str,
        *upstreams: Upstream,
        hosts: tuple[str, ...] | None = None,
        asleep: bool = False,
        paused: bool = False,
        front: Front | None = None,
    ) -> None:
        """Write a newer route and wait until the router says that it applied it."""
        await self.wait_applied(await self.put(app_id, *upstreams, hosts=hosts, asleep=asleep, paused=paused, front=front))

    async def wait_applied(self, route: Route) -> None:
        await until(lambda: any(e.app_id == route.app_id and e.revision >= route.revision for e in self.applied.entries.values()))

    def sessions(self, app_id: str) -> dict[str, int]:
        return next((entry.sessions for entry in self.applied.entries.values() if entry.app_id == app_id), {})

    @staticmethod
    def host(app_id: str) -> str:
        return f"{app_id.replace('_', '-')}.localhost"

    async def ping(self) -> Pong | None:
        try:
            return await self.bus.query("router", "ping", {}, Pong, timeout=1)
        except NoAnswer:
            return None

    async def get(self, app_id: str, path: str = "/", **headers: str) -> httpx.Response:
        return await self.ask("GET", self.host(app_id), path, {name.replace("_", "-"): value for name, value in headers.items()})

    async def ask(self, method: str, host: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
        context = ssl.create_default_context(cafile=str(self.root))
        async with httpx.AsyncClient(verify=context, timeout=30) as client:
            url = f"https://127.0.0.1:{self.https_port}{path}"
            return await client.request(method, url, headers={"Host": host, **headers}, extensions={"sni_hostname": host}, **more)

    def end(self) -> None:
        """End everything; what the router said stands in the report of a test that failed."""
        sys.stdout.write(self._process.log.read_text(encoding="utf-8") if self._process.log.is_file() else "")
        for task in self._mirrors:
            task.cancel()
        self._process.kill()
        mark = f"\0{self.files / 'haproxy.cfg'}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            if _holds(process, mark):
                os.kill(int(process.name), signal.SIGKILL)


def new_app() -> str:
    return ids.new("app")


def _holds(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "cmdline").read_bytes()
    except OSError:
        return False
