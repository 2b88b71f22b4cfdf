"""Somebody's HTTP server that is told things: it keeps what came, and answers as it is told to."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import uvicorn

Message = MutableMapping[str, Any]


class Call(NamedTuple):
    """One request: its path, headers in lower case, and body."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """On a free port of 127.0.0.1. `answers` are the statuses of the next answers, 204 when there is none left.

    `gate`: while it is not set, requests to `/slow` get no answer.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[int] = []
        self.gate = asyncio.Event()
        self._server = uvicorn.Server(
            uvicorn.Config(self._serve, port=0, interface="asgi3", log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:
            assert not self._task.done(), "the receiver did not start"
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.gate.set()
        self._server.should_exit = True
        if self._task:
            await self._task

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def _serve(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.calls.append(Call(scope["path"], headers, body))
        if scope["path"] == "/slow":
            await self.gate.wait()
        status = self.answers.pop(0) if self.answers and scope["path"] != "/slow" else 204
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", b"/elsewhere")]})
        await send({"type": "http.response.body", "body": b"" if status == 204 else b"no, thanks"})
