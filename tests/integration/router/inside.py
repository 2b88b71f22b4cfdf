"""The router's parts that speak with HAProxy, in this process, with a real one: what happens between two of their steps can be chosen."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from libs.common.messages.api import Front
from libs.common.messages.runtime import Route, Upstream
from services.router.apply import Applier
from services.router.certificates import Authority
from services.router.files import Files
from services.router.frame import Frame
from services.router.haproxy import HAProxy
from services.router.proxy import Proxy
from services.router.settings import Settings
from services.router.shown import Shown, Source
from services.router.table import Table
from tests.integration.router.traffic import answer, connect
from tests.servers.ports import free_ports


class Inside:
    """`take` notes a route as if the bus had said it, `ask` asks through the proxy. Nothing is saved but what a reload writes."""

    def __init__(
        self, home: Path, *, capacity: int = 1, process: type[HAProxy] = HAProxy, sources: Sequence[Source] = (), secret_key: str = ""
    ) -> None:
        http, self.port = free_ports(2)
        self.settings = Settings(
            home=str(home), instance="i", nats_url="", http_port=http, https_port=self.port, bind="127.0.0.1", secret_key=secret_key
        )
        self.files = Files(str(home))
        self.files.make()
        self.root = self.files.authority / "root.crt"
        self.table = Table(capacity=capacity)
        self.haproxy = process(self.files)
        self.shown = Shown(self.files, Authority(self.files, "i", {}), sources)
        frame = Frame(settings=self.settings, files=self.files, probe_token="t", waker=f"w-{self.port}", maxconn=100, threads=1)
        self.applier = Applier(table=self.table, frame=frame, haproxy=self.haproxy, shown=self.shown)
        listed = asyncio.Event()
        listed.set()
        self.proxy = Proxy(
            settings=self.settings, files=self.files, table=self.table, haproxy=self.haproxy, applier=self.applier, listed=listed
        )
        self._keeping: asyncio.Task[None] | None = None
        self._revision = 0

    async def start(self) -> "Inside":
        self._keeping = asyncio.create_task(self.proxy.keep())
        async with asyncio.timeout(30):
            await self.proxy.serving.wait()
        return self

    async def end(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        await self.haproxy.end_leftovers()

    def take(self, app_id: str, *upstreams: Upstream, gone: bool = False, hosts: tuple[str, ...] = (), front: Front | None = None) -> None:
        """A newer route; its host is `{app_id}.localhost` unless said."""
        self._revision += 1
        named = hosts or (f"{app_id}.localhost",)
        route = Route(
            app_id=app_id,
            slug=app_id,
            revision=self._revision,
            hosts=() if gone else named,
            former_hosts=named if gone else (),
            upstreams=upstreams,
            front=front,
        )
        self.table.take(route)

    async def put(self, app_id: str, *upstreams: Upstream, gone: bool = False, front: Front | None = None) -> None:
        """`take`, and have it applied."""
        self.take(app_id, *upstreams, gone=gone, front=front)
        await self.applier.apply([app_id])

    async def ask(self, host: str, **headers: str) -> tuple[int, dict[str, Any]]:
        reader, writer = await connect(self.root, self.port, host)
        try:
            return await say(reader, writer, host, **headers)
        finally:
            writer.close()

    async def ask_plainly(self, host: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """Over HTTP: without a certificate."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.settings.http_port)
        try:
            return await say(reader, writer, host, **headers)
        finally:
            writer.close()

    async def worker(self) -> int:
        found = await self.haproxy.worker()
        assert found is not None
        return found[0]


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, **headers: str) -> tuple[int, dict[str, Any]]:
    """One request over a connection that is open; the status and the document that comes back, if any."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
    async with asyncio.timeout(30):
        status, _, text = await answer(reader)
    return status, json.loads(text or b"{}")
