"""Routes that start, stop, restart, pause and unpause an app."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Controller, Request, Response, post

from services.api.apps import lookup
from services.api.apps.controllers import headers_of
from services.api.apps.follow import until_settled
from services.api.apps.models import AppRow
from services.api.apps.schemas import App
from services.api.apps.view import to_view
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.replies import reply
from services.api.http.strict import Wait
from services.api.idempotency import Answer, once
from services.api.lifecycle import service

Verb = Callable[[Tx, AppRow], Awaitable[None]]


class LifecycleController(Controller):
    path = "/apps/{app:str}"
    tags = ("Apps",)

    @post("/start", status_code=202, guards=[scope("deploy")])
    async def start_app(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, wait: Wait = None
    ) -> Response[App]:
        """Start an app that was stopped, wake one that sleeps. With `wait`, 200 once it runs."""
        return await _do(request, core, principal, app, verb=service.start, wait=wait)

    @post("/stop", status_code=202, guards=[scope("deploy")])
    async def stop_app(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, wait: Wait = None
    ) -> Response[App]:
        """Stop an app: its connections are drained, then its containers go. A deployment under way is cancelled."""
        return await _do(request, core, principal, app, verb=service.stop, wait=wait)

    @post("/restart", status_code=202, guards=[scope("deploy")])
    async def restart_app(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, wait: Wait = None
    ) -> Response[App]:
        """Replace every replica by a new one of the same release, without downtime."""
        return await _do(request, core, principal, app, verb=service.restart, wait=wait)

    @post("/pause", status_code=202, guards=[scope("deploy")])
    async def pause_app(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, wait: Wait = None
    ) -> Response[App]:
        """Freeze an app: open connections stand still, new requests get 503. A deployment under way is cancelled."""
        return await _do(request, core, principal, app, verb=service.pause, wait=wait)

    @post("/unpause", status_code=202, guards=[scope("deploy")])
    async def unpause_app(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, wait: Wait = None
    ) -> Response[App]:
        """Have a paused app go on where it stood, also one whose containers somebody paused by hand."""
        return await _do(request, core, principal, app, verb=service.unpause, wait=wait)


async def _do(
    request: Request[Any, Any, Any], core: Core, principal: Principal, ref: str, *, verb: Verb, wait: int | None
) -> Response[App]:
    async def effect(tx: Tx) -> Answer:
        app = await lookup.to_change(tx, principal, ref, "deploy")
        await verb(tx, app)
        view = to_view(app, core.settings, time.time())
        return Answer(status=202, body=msgspec.json.encode(view), headers=headers_of(app), follow=f"{app.id}.{app.revision}")

    answer = await once(core, request, principal, effect)
    if wait is None or answer.follow is None:
        return reply(answer)
    app_id, _, revision = answer.follow.rpartition(".")
    is_done = await until_settled(core, app_id, int(revision), wait)
    async with core.db.read() as session:
        app, _ = await lookup.to_read(session, principal, app_id)
    answer.status = 200 if is_done else 202
    answer.body = msgspec.json.encode(to_view(app, core.settings, time.time()))
    return reply(answer)
