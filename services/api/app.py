"""Puts the API together: routes, what they depend on, and the work in the background."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import structlog
from litestar import Litestar, Request, Router
from litestar.di import Provide

from libs.common import heap
from libs.common.service import answer_pings
from services.api.accounts import first_admin
from services.api.accounts.authenticator import Authenticator
from services.api.accounts.controllers import AuthController, UserController
from services.api.accounts.throttle import Throttle
from services.api.api_keys.controllers import ApiKeyController
from services.api.cache import open_cache
from services.api.core import Core
from services.api.disks import room
from services.api.domains import upkeep as domains
from services.api.git import upkeep
from services.api.http.answers import answer
from services.api.http.bodies import Knows, StrictJson
from services.api.http.edge import Edge
from services.api.http.injection import shorten
from services.api.http.principal import Principal
from services.api.jobs import ticking
from services.api.logs.controllers import LogsController
from services.api.notifications import upkeep as notifications
from services.api.recovery.gate import refuse
from services.api.routes import STATE_ROUTES
from services.api.settings import Settings
from services.api.site.controllers import SiteController
from services.api.system.controllers import SystemController, healthz, metrics
from services.api.system.health import Health
from services.api.ui.controllers import UiController
from services.api.uploads import sweep
from services.api.volumes import ticking as backups
from services.api.webhooks.judging import Judge

EDGE_ROUTES = (SystemController, AuthController, UserController, ApiKeyController, LogsController)
_LONGEST_BODY = 4 * 1024 * 1024


logger = structlog.get_logger()


def create_app(settings: Settings) -> Edge:
    """The whole API as an ASGI application. It starts with the database alone and answers while everything else is away."""
    knows = Knows()
    app = Edge(
        route_handlers=[Router("/api/v1", route_handlers=[*EDGE_ROUTES, *STATE_ROUTES]), SiteController, UiController, healthz, metrics],
        dependencies={
            "core": Provide(_core, sync_to_thread=False),
            "principal": Provide(_principal, sync_to_thread=False),
        },
        dto=StrictJson,
        return_dto=None,
        exception_handlers={Exception: answer},
        before_request=partial(_check, knows),
        lifespan=[_running],
        request_max_body_size=_LONGEST_BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.state.settings = settings
    app.state.base_url = settings.url
    knows.learn(app.routes)
    shorten(app.routes)
    return app


async def _check(knows: Knows, request: Request[Any, Any, Any]) -> None:
    """Before every request."""
    await knows.check(request)
    await refuse(request)
    await room.refuse(request)


def _core(request: Request[Any, Any, Any]) -> Core:
    core: Core = request.app.state.core
    return core


def _principal(request: Request[Any, Any, Any]) -> Principal:
    """Who asks; the route's guard has found out."""
    principal: Principal = request.scope["user"]
    return principal


@contextlib.asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    core = await Core.open(app.state.settings)
    app.state.core = core
    app.state.authenticator = Authenticator(core)
    cache = open_cache(core.settings.redis_url)
    app.state.cache = cache
    app.state.throttle = Throttle(cache, core.settings.instance)
    app.state.health = Health(core, cache)
    judge = app.state.judge = Judge()
    await first_admin.ensure(core)
    work = (
        core.run(),
        _answer_pings(core, app.state.health),
        sweep.run(core.db, core.spool.folder),
        upkeep.run(core),
        judge.run(core),
        domains.run(core),
        ticking.run(core),
        backups.run(core),
        notifications.run(core),
    )
    tasks = [asyncio.create_task(each) for each in work]
    for task in tasks:
        task.add_done_callback(partial(_ended, app))
    heap.settle()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if cache is not None:
            await cache.aclose()
        await core.close()


async def _answer_pings(core: Core, health: Health) -> None:
    """Answer `dockup.rpc.api.ping` from the first connection on; the client subscribes again by itself after an outage."""
    await core.bus.opened.wait()
    await answer_pings(core.bus, health.check)


def _ended(app: Litestar, task: asyncio.Task[None]) -> None:
    """Background work ends only with the process. If it fails, so does the process: its supervisor starts a new one."""
    if task.cancelled() or task.exception() is None:
        return
    logger.critical("background.failed", exc_info=task.exception())
    stop = app.state.get("stop")
    if stop is not None:
        stop()
