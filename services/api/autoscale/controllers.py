"""The routes of an app's autoscaling."""

import time
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, put
from litestar.params import JSONBody

from services.api.apps import lookup
from services.api.autoscale import service
from services.api.autoscale.schemas import AutoscaleUpdate, Autoscaling
from services.api.db.tx import Tx
from services.api.http import matching
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.matching import IfMatch
from services.api.http.replies import reply
from services.api.idempotency import Answer, once


class AutoscaleController(Controller):
    path = "/apps/{app:str}/autoscale"
    tags = ("Autoscale",)

    @get(guards=[scope("read")])
    async def get_autoscale(self, *, core: TheCore, principal: ThePrincipal, app: InPath) -> Response[Autoscaling]:
        """The app's policy, and what load decided last."""
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
        return Response(service.to_view(row, time.time()), headers={"ETag": service.etag(row)})

    @put(guards=[scope("deploy")])
    async def update_autoscale(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        data: JSONBody[AutoscaleUpdate],
        if_match: IfMatch = None,
    ) -> Response[Autoscaling]:
        """Merge the policy; it is in effect at once. What machine or project cannot hold is refused, with what is free."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "deploy")
            matching.check(if_match, service.etag(row))
            await service.update(tx, row, data, core.settings, time.time())
            body = msgspec.json.encode(service.to_view(row, time.time()))
            return Answer(status=200, body=body, headers={"ETag": service.etag(row)})

        return reply(await once(core, request, principal, effect))
