"""The route of an app's logs."""

from typing import Any

from litestar import Controller, MediaType, Request, Response, get
from litestar.datastructures import State

from libs.common.messages.runtime import LogsQuery
from services.api.apps.lookup import to_read
from services.api.core import Core
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.logs import service
from services.api.logs.schemas import DeploymentId, Logs, Replica, Since, Stream, Tail

_KINDS = [MediaType.JSON.value, MediaType.TEXT.value]


class LogsController(Controller):
    tags = ("Logs",)

    @get("/apps/{app:str}/logs", guards=[scope("read")])
    async def get_app_logs(
        self,
        *,
        request: Request[Any, Any, State],
        core: Core,
        principal: Principal,
        app: str,
        tail: Tail = 100,
        since: Since = None,
        stream: Stream = None,
        replica: Replica = None,
        deployment_id: DeploymentId = None,
    ) -> Response[Logs]:
        """The last lines of all replicas, also of those that died. `Accept: text/plain` gives the messages alone."""
        async with core.db.read() as session:
            row, _ = await to_read(session, principal, app)
            deployments = await service.last_deployments(session, row.id)
        query = LogsQuery(
            app_id=row.id,
            tail=tail,
            since=since,
            stream=stream,
            replica=replica,
            deployment_id=deployment_id,
            deployments=deployments,
        )
        logs = await service.read(core.bus, query)
        if request.accept.best_match(_KINDS, default=MediaType.JSON.value) == MediaType.TEXT:
            return Response(service.as_text(logs), media_type=MediaType.TEXT)  # type: ignore[arg-type]
        return Response(logs, media_type=MediaType.JSON)
