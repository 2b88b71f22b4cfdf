"""A client of an app's terminal, or of a coding session, as any program would write one."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.stack.dockup import Stack

Json = dict[str, Any]


class Terminal:
    """`output` and `errors` are what came so far, `frames` what a session told; `exit` the last and `closed` its code, once there."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.output, self.errors = b"", ""
        self.frames: list[Json] = []
        self.exit: Json = {}
        self.closed = 0

    @property
    def replica(self) -> str:
        assert self.socket.response
        return self.socket.response.headers["Dockup-Replica"]

    async def type(self, text: str) -> None:
        await self.socket.send(text)

    async def control(self, **frame: object) -> None:
        await self.socket.send(json.dumps(frame))

    async def until(self, text: str, seconds: float = 30) -> str:
        """Read until it was shown, and return all that was."""
        async with asyncio.timeout(seconds):
            while text.encode() not in self.output:
                await self._read()
        return self.output.decode(errors="replace")

    async def end(self, seconds: float = 30) -> Json:
        """Read to the end; the exit frame."""
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(seconds):
                while True:
                    await self._read()
        assert self.socket.close_code is not None
        self.closed = self.socket.close_code
        return self.exit

    async def _read(self) -> None:
        message = await self.socket.recv()
        if isinstance(message, bytes):
            self.output += message
            return
        frame = json.loads(message)
        if frame["type"] == "stderr":
            self.errors += frame["data"]
        elif frame["type"] == "exit":
            self.exit = frame
        else:
            self.frames.append(frame)


@contextlib.asynccontextmanager
async def terminal(stack: Stack, app: str, token: str = "", path: str = "exec", **query: str) -> AsyncIterator[Terminal]:
    """Through the proxy, with the admin's key unless another is given."""
    asked = urlencode({"token": token or stack.credentials["api_key"], **query})
    url = f"{stack.url.replace('https', 'wss', 1)}/api/v1/apps/{app}/{path}?{asked}"
    async with connect(url, ssl=stack.trust(), max_size=None, compression=None) as socket:
        yield Terminal(socket)
