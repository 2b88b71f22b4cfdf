"""The routes of an app's logs."""

from typing import Any

from litestar import Controller, MediaType, Request, Response, get, websocket
from litestar.datastructures import State

from libs.common.messages.runtime import LogsAnswer, LogsQuery
from services.api.apps.lookup import id_to_read, to_read
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.problems import Problem, invalid
from services.api.http.sockets import FAILED, Caller, Socket, answering, check_query, close, core_of, until_gone
from services.api.logs import service
from services.api.logs.schemas import (
    BYTES_OF_SUMMARY,
    LINES,
    LINES_OF_SUMMARY,
    DeploymentId,
    Logs,
    LogSummary,
    MaxBytes,
    Process,
    Replica,
    Since,
    Stream,
    StreamQuery,
    StreamTail,
    Tail,
    Token,
    View,
    asked,
    check_time,
)
from services.api.logs.stream import opened, speak
from services.api.logs.summary import summary

_STREAM = "/apps/{app:str}/logs/stream"
_KINDS = [MediaType.JSON.value, MediaType.TEXT.value]


class LogsController(Controller):
    tags = ("Logs",)

    @get("/apps/{app:str}/logs", guards=[scope("read")])
    async def get_app_logs(
        self,
        *,
        request: Request[Any, Any, State],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        tail: Tail = None,
        since: Since = None,
        stream: Stream = None,
        replica: Replica = None,
        process: Process = None,
        deployment_id: DeploymentId = None,
        view: View = "lines",
        max_bytes: MaxBytes = None,
    ) -> Response[Logs | LogSummary]:
        """The last lines of all replicas, also of those that died. `Accept: text/plain` gives the messages alone.

        `view=summary` folds what repeats and puts errors first, in at most `max_bytes`.
        """
        if max_bytes is not None and view != "summary":
            raise invalid("/max_bytes", "is for view=summary alone")
        check_time(since)
        async with core.db.read() as session:
            row, _ = await to_read(session, principal, app)
            if deployment_id is not None:
                await service.check_deployment(session, row.id, deployment_id)
            deployments = await service.last_deployments(session, row.id)
        query = LogsQuery(
            app_id=row.id,
            tail=tail or (LINES_OF_SUMMARY if view == "summary" else LINES),
            since=since,
            stream=stream,
            replica=replica,
            process=process,
            deployment_id=deployment_id,
            deployments=deployments,
        )
        answer = await service.read(core.bus, query)
        wants_text = request.accept.best_match(_KINDS, default=MediaType.JSON.value) == MediaType.TEXT
        if view == "summary":
            return _summary(answer, max_bytes or BYTES_OF_SUMMARY, wants_text=wants_text)
        return _lines(answer, wants_text=wants_text)

    @get(_STREAM, guards=[scope("read")])
    async def stream_app_logs(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        token: Token = None,
        tail: StreamTail = None,
        since: Since = None,
        stream: Stream = None,
        replica: Replica = None,
        process: Process = None,
    ) -> Response[bytes]:
        """The log of an app over a WebSocket: the last lines, then what its replicas write, those to come included."""
        del token, tail, since, stream, replica, process  # they are the WebSocket's
        await id_to_read(core, principal, app)
        raise Problem("upgrade_required", headers={"Upgrade": "websocket", "Connection": "Upgrade"})

    @websocket(_STREAM)
    async def app_logs_socket(self, *, socket: Socket, app: InPath) -> None:
        async with answering(socket) as request_id:
            check_query(socket, {"token", *StreamQuery.__struct_fields__})
            core, who = core_of(socket), Caller(socket, "read")
            app_id = await id_to_read(core, await who(), app)
            query = await service.query_of(core, app_id, asked(dict(socket.query_params)))

            async def may() -> None:
                await id_to_read(core, await who(), app_id)

            async with opened(core, query) as channel:
                await socket.accept(headers={"X-Request-Id": request_id})
                async with until_gone(socket):
                    why = await speak(socket, channel, may, core.turns)
                    await close(socket, FAILED, why.reason)


def _lines(answer: LogsAnswer, *, wants_text: bool) -> Response[Any]:
    if wants_text:
        return Response("".join(f"{line.message}\n" for line in answer.items), media_type=MediaType.TEXT)
    return Response(Logs(items=list(answer.items), truncated=answer.truncated), media_type=MediaType.JSON)


def _summary(answer: LogsAnswer, max_bytes: int, *, wants_text: bool) -> Response[Any]:
    found = summary.summarize(answer.items, max_bytes, truncated=answer.truncated)
    if wants_text:
        return Response(summary.as_text(found, max_bytes), media_type=MediaType.TEXT)
    return Response(found, media_type=MediaType.JSON)
