"""WebSocket routes: who asks, refusals as the answers that HTTP would give, and text frames that wait for a slow reader."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import Any, cast

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketException
from structlog.contextvars import bind_contextvars

from libs.common import ids
from services.api.core import Core
from services.api.http.answers import PROBLEM_JSON, database_away
from services.api.http.guards import require
from services.api.http.principal import Principal
from services.api.http.problems import FieldError, Problem

Socket = WebSocket[Any, Any, Any]
DONE, REFUSED, FAILED = 1000, 1008, 1011
GONE = (WebSocketException, RuntimeError, OSError)
"""What writing to a client gives that is not there any more."""
_SERVER = 500
_BEARER = "bearer "


class Caller:
    """Who stands behind a socket's token, asked anew each time: a header's, or else the query's."""

    def __init__(self, socket: Socket, scope: str) -> None:
        self._authenticator = socket.app.state.authenticator
        self._connection = socket.scope
        header = socket.headers.get("authorization", "")
        is_bearer = header.lower().startswith(_BEARER)
        self._token = header[len(_BEARER) :].strip() if is_bearer else socket.query_params.get("token", "")
        self._scope = scope

    async def __call__(self) -> Principal:
        """`401 unauthenticated`, `403 forbidden`."""
        if not self._token:
            raise Problem("unauthenticated", "The address has no token in its query.")
        principal: Principal = await self._authenticator.recognise(self._token, self._connection)
        require(principal, self._scope)
        return principal


def core_of(socket: Socket) -> Core:
    return cast("Core", socket.app.state.core)


def check_query(socket: Socket, known: Collection[str]) -> None:
    """Nothing in the query is ignored in silence."""
    names = [name for name, _ in socket.query_params.multi_items()]
    wrong = sorted({name for name in names if name not in known or names.count(name) > 1})
    if wrong:
        errors = [FieldError(pointer=f"/{name}", detail="is not a query parameter of this route, or is given twice") for name in wrong]
        raise Problem(
            "unknown_parameter", f"{', '.join(wrong)}: not taken here; this route takes {', '.join(sorted(known))}.", errors=errors
        )


@contextlib.asynccontextmanager
async def answering(socket: Socket) -> AsyncIterator[str]:
    """What is raised before the socket is accepted is the answer to the request; afterwards it closes the socket with 1008, or 1011.

    Gives the request's id.
    """
    request_id = ids.new("req")
    socket.scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
    bind_contextvars(request_id=request_id)
    try:
        yield request_id
    except Exception as error:
        problem = error if isinstance(error, Problem) else database_away(error)
        if problem is None:
            raise
        if socket.connection_state == "init":
            await _refuse(socket, problem, request_id)
        else:
            await close(socket, FAILED if problem.status >= _SERVER else REFUSED, problem.code)


async def close(socket: Socket, code: int, reason: str) -> None:
    """Close it, unless the other side was first."""
    with contextlib.suppress(*GONE):
        await socket.close(code, reason)


@contextlib.asynccontextmanager
async def until_gone(socket: Socket) -> AsyncIterator[None]:
    """End the block when the client goes; what it sends is ignored."""
    task = asyncio.current_task()
    went = False

    async def watch() -> None:
        nonlocal went
        while (await socket.receive())["type"] != "websocket.disconnect":
            continue
        went = True
        if task is not None:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not went:
            raise
        if task is not None:
            task.uncancel()
    finally:
        watcher.cancel()


async def _refuse(socket: Socket, problem: Problem, request_id: str) -> None:
    await socket.receive()  # the request to connect
    body = msgspec.json.encode(problem.body(socket.app.state.base_url, request_id))
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"x-request-id", request_id.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    await socket.send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
    await socket.send({"type": "websocket.http.response.body", "body": body, "more_body": False})
