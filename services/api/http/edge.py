"""What every request passes, kept lean because it is on every path: an id, security headers, one log line for what failed."""

import re
from time import perf_counter
from typing import Any

import structlog
from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send
from structlog.contextvars import bind_contextvars

from libs.common import ids
from services.api.http.methods import allow

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_NO_STORE = (b"cache-control", b"no-store")
_BROKEN = 500

logger = structlog.get_logger()


class Edge(Litestar):
    """The application with its outermost layer. The server runs each request in a task of its own, so what is bound ends with it."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        """Without those for pydantic and attrs: nothing here is made of them, and importing pydantic alone takes 14 MB."""
        return [*plugins, MsgspecDIPlugin()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - Litestar's overloads for life span
        if scope["type"] == "http":
            await _pass(super().__call__, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def _pass(app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
    started = perf_counter()
    request_id = _request_id(scope)
    scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
    bind_contextvars(request_id=request_id)
    extra = [(b"x-request-id", request_id.encode()), *_HEADERS]
    if scope["path"].startswith("/api/"):
        extra.append(_NO_STORE)
    is_head = scope["method"] == "HEAD"

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *extra]
            if scope["method"] == "OPTIONS":
                message["headers"] = _options(scope, [*message["headers"]])
            if message["status"] >= _BROKEN:
                logger.warning("request.answered", **_line(scope, message["status"], started))
        elif is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    if is_head:
        await app({**scope, "method": "GET"}, receive, sending)
    else:
        await app(scope, receive, sending)


def _options(scope: HTTPScope, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer to OPTIONS, with an `Allow` that is whole."""
    others = [header for header in headers if header[0].lower() != b"allow"]
    is_there = len(others) < len(headers)
    return [*others, (b"allow", allow(scope["litestar_app"], scope["path"]).encode())] if is_there else others


def _request_id(scope: HTTPScope) -> str:
    """The client's own, if it is one; else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return ids.new("req")


def _line(scope: HTTPScope, status: int, started: float) -> dict[str, object]:
    milliseconds = round((perf_counter() - started) * 1000, 1)
    return {"method": scope["method"], "path": scope["path"], "status": status, "milliseconds": milliseconds}
