"""Routes of a deployment's log: a page, plain text, a stream of server-sent events, or a WebSocket."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import msgspec
from litestar import Controller, MediaType, Request, Response, get, websocket
from litestar.response import Stream

from services.api.build_logs import reader
from services.api.build_logs.feed import Feed
from services.api.build_logs.schemas import After, DeploymentLog, LastEventId, Lines, Token
from services.api.deployments import service
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.sockets import DONE, Caller, Socket, answering, check_query, close, core_of, until_gone

_PING_SECONDS = 15.0
_SSE = "text/event-stream"
_KINDS = [MediaType.JSON.value, MediaType.TEXT.value]
_PATH = "/{deployment_id:str}/logs"


class BuildLogController(Controller):
    path = "/deployments"
    tags = ("Logs",)

    @get(_PATH, guards=[scope("read")])
    async def get_deployment_logs(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        deployment_id: InPath,
        after: After = None,
        limit: Lines = 1000,
        last_event_id: LastEventId = None,
    ) -> Response[DeploymentLog]:
        """The log of a deployment: of its build, and the last words of its replicas.

        `Accept: text/plain` gives all messages alone; `text/event-stream` goes on until the deployment has ended.
        """

        async def who() -> Principal:
            principal: Principal = await request.app.state.authenticator.authenticate(request.scope)
            return principal

        given = (after, "/after") if last_event_id is None else (last_event_id, "/Last-Event-ID")
        feed = Feed(core, who, deployment_id, reader.parse(*given))
        await feed.open()
        accepted = request.headers.get("accept", "")
        if _SSE in accepted:
            return Stream(_events(feed), media_type=_SSE, headers={"X-Accel-Buffering": "no"})  # type: ignore[return-value]
        if request.accept.best_match(_KINDS, default=MediaType.JSON.value) == MediaType.TEXT:
            return Stream(_text(feed), media_type=MediaType.TEXT)  # type: ignore[return-value]
        return Response(await feed.page(limit), media_type=MediaType.JSON)

    @get(f"{_PATH}/stream", guards=[scope("read")])
    async def stream_deployment_logs(
        self, *, core: TheCore, principal: ThePrincipal, deployment_id: InPath, token: Token = None, after: After = None
    ) -> Response[bytes]:
        """The log of a deployment over a WebSocket, from its beginning or from `after` on, until the deployment has ended."""
        del token, after  # they are the WebSocket's
        async with core.db.read() as session:
            await service.status_of(session, principal, deployment_id)
        raise Problem("upgrade_required", headers={"Upgrade": "websocket", "Connection": "Upgrade"})

    @websocket(f"{_PATH}/stream")
    async def deployment_logs_socket(self, *, socket: Socket, deployment_id: InPath) -> None:
        async with answering(socket) as request_id:
            check_query(socket, {"token", "after"})
            cursor = reader.parse(socket.query_params.get("after"), "/after")
            feed = Feed(core_of(socket), Caller(socket, "read"), deployment_id, cursor)
            await feed.open()
            await socket.accept(headers={"X-Request-Id": request_id})
            async with until_gone(socket):
                async for entries in feed.live():
                    for entry in entries:
                        await socket.send_text(msgspec.json.encode(entry).decode())
                await close(socket, DONE, feed.status)

    @get("/{deployment_id:str}/dockerfile", guards=[scope("read")])
    async def get_deployment_dockerfile(self, *, core: TheCore, principal: ThePrincipal, deployment_id: InPath) -> Response[str]:
        """The Dockerfile that was written for a source without one."""
        async with core.db.read() as session:
            text = await service.dockerfile_of(session, principal, deployment_id)
        return Response(text, media_type=MediaType.TEXT)


async def _events(feed: Feed) -> AsyncIterator[bytes]:
    """A line an event, `end` at the end, and a comment every 15 s."""
    pinged = monotonic()
    yield b": dockup\n\n"
    try:
        async for entries in feed.live():
            for entry in entries:
                yield b"id: %s\nevent: log\ndata: %s\n\n" % (entry.cursor.encode(), msgspec.json.encode(entry))
            if monotonic() - pinged >= _PING_SECONDS:
                pinged = monotonic()
                yield b": ping\n\n"
    except Problem:
        return
    yield b"event: end\ndata: %s\n\n" % msgspec.json.encode({"status": feed.status})


async def _text(feed: Feed) -> AsyncIterator[bytes]:
    async for entries in feed.past():
        yield "".join(f"{entry.message}\n" for entry in entries).encode()
