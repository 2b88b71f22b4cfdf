"""The live log of an app, as a client of the WebSocket has it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.stack.dockup import Stack


class Lines:
    """`all` are the frames that came, oldest first; they are read as they come until the end of the block."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.all: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    async def read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self.socket:
                self.all.append(json.loads(frame))
                self._news.set()

    def of(self, replica: str) -> list[str]:
        return [line["message"] for line in self.all if line.get("replica") == replica]

    @property
    def messages(self) -> list[str]:
        return [line["message"] for line in self.all if "message" in line]

    async def until(self, condition: Callable[["Lines"], object], seconds: float = 30) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition(self):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise AssertionError(f"it did not come in {seconds:g} s; the last frames: {self.all[-5:]}") from error


def address(stack: Stack, app: str, *, token: str = "", **query: Any) -> str:
    asked = urlencode({"token": token or stack.credentials["api_key"], **query})
    return f"wss://localhost:{stack.https_port}/api/v1/apps/{app}/logs/stream?{asked}"


def dial(stack: Stack, app: str, *, compression: str | None = "deflate", **query: Any) -> connect:
    """It does not ping: a client that reads slowly would take itself for dead."""
    url = address(stack, app, **query)
    return connect(url, ssl=stack.trust(), host="127.0.0.1", open_timeout=60, max_size=None, ping_interval=None, compression=compression)


@asynccontextmanager
async def listening(stack: Stack, app: str, **query: Any) -> AsyncIterator[Lines]:
    async with dial(stack, app, **query) as socket:
        lines = Lines(socket)
        reading = asyncio.create_task(lines.read())
        try:
            yield lines
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
