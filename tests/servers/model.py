"""The Responses API of a model on 127.0.0.1: asks for one command after the other to be run, and then says that it is done."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterable
from typing import Any

import uvicorn

from tests.servers.git import Receive, Scope, Send
from tests.servers.process import STOP_SECONDS

KEY = "sk-of-ada-0123456789abcdef"
Json = dict[str, Any]


class ModelServer:
    """`commands` are what it wants run, `asked` the requests that came, with their headers. It takes nobody but the owner of `KEY`.

    While `held` is set, it says the first event of an answer and no more.
    """

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.asked: list[tuple[str, dict[str, str], Json]] = []
        self.held = threading.Event()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(uvicorn.Config(self._app, interface="asgi3", log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([self._socket])), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self._socket.listen(64)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(STOP_SECONDS)
        self._socket.close()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        wanted = json.loads(body or b"{}")
        self.asked.append((f"{scope['method']} {scope['path']}", headers, wanted))
        if headers.get("authorization") != f"Bearer {KEY}":
            await _whole(send, 401, {"error": {"message": "who are you?"}})
        elif scope["path"] != "/v1/responses":
            await _whole(send, 404, {"error": {"message": "not here"}})
        else:
            await self._stream(send, self._next(wanted))

    def _next(self, wanted: Json) -> Json:
        """What to do after so many commands were run; the tool's own questions, such as for a title, come without the means to run any."""
        done = sum(1 for item in wanted.get("input", []) if item.get("type") == "function_call_output")
        may_run = any(tool.get("name") == "exec_command" for tool in wanted.get("tools", []))
        if may_run and done < len(self.commands):
            arguments = json.dumps({"cmd": self.commands[done], "yield_time_ms": 30_000})
            return {"type": "function_call", "id": f"fc{done}", "call_id": f"c{done}", "name": "exec_command", "arguments": arguments}
        return {"type": "message", "id": "m1", "role": "assistant", "content": [{"type": "output_text", "text": "All of it is done."}]}

    async def _stream(self, send: Send, item: Json) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await _events(send, [{"type": "response.created", "response": {"id": "r1"}}])
        while self.held.is_set():
            await asyncio.sleep(0.01)
        usage = {"input_tokens": 1, "input_tokens_details": None, "output_tokens": 1, "output_tokens_details": None, "total_tokens": 2}
        done = {"type": "response.completed", "response": {"id": "r1", "usage": usage}}
        await _events(send, [{"type": "response.output_item.done", "output_index": 0, "item": item}, done])
        await send({"type": "http.response.body", "body": b""})


async def _events(send: Send, events: Iterable[Json]) -> None:
    text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _whole(send: Send, status: int, body: Json) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
