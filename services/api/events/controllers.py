"""Routes of the feed: a page, a long poll, or a stream of server-sent events."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get
from litestar.params import HeaderParameter, Parameter
from litestar.response import Stream

from services.api.apps import lookup
from services.api.core import Core
from services.api.events import service
from services.api.events.schemas import EventPage
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import Problem, invalid
from services.api.http.strict import Limit
from services.api.wakes import EVERYTHING

_PING_SECONDS = 15.0
_LOOK_SECONDS = 1.0
"""An open stream or long poll asks this often whether its token still stands, and what its user may see now."""
_BATCH = 200
_SSE = "text/event-stream"
_LONGEST_SEQ = 20
"""Digits; Python refuses to read a number of some thousands."""

After = Annotated[int, Parameter(ge=0, description="The seq after which to begin; 0 is the beginning.")]
Hold = Annotated[int | None, Parameter(ge=1, le=600, description="Seconds to wait for news when there is none.")]
LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID", description="Where a stream goes on: the last seq that came.")]


class EventController(Controller):
    tags = ("Events",)

    @get("/events", guards=[scope("read")])
    async def list_events(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        after: After = 0,
        limit: Limit = 100,
        wait: Hold = None,
        last_event_id: LastEventId = None,
    ) -> Response[EventPage]:
        """What happened in all projects that you may see. With `Accept: text/event-stream` it is a stream."""
        return await _answer(request, _Feed(core, principal, None), _start(after, last_event_id), limit, wait)

    @get("/apps/{app:str}/events", guards=[scope("read")])
    async def list_app_events(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        after: After = 0,
        limit: Limit = 100,
        wait: Hold = None,
        last_event_id: LastEventId = None,
    ) -> Response[EventPage]:
        """What happened to one app. With `Accept: text/event-stream` it is a stream."""
        app_id = await lookup.id_to_read(core, principal, app)
        return await _answer(request, _Feed(core, principal, app_id), _start(after, last_event_id), limit, wait)


def _start(after: int, last_event_id: str | None) -> int:
    if last_event_id is None:
        return after
    if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) <= _LONGEST_SEQ):
        raise invalid("/Last-Event-ID", "is not a seq")
    return int(last_event_id)


async def _answer(request: Request[Any, Any, Any], feed: "_Feed", after: int, limit: int, wait: int | None) -> Response[Any]:
    if _SSE in request.headers.get("accept", ""):
        await feed.page(after, 1)  # a wrong cursor is an error before the stream begins
        return Stream(_stream(request, feed, after), media_type=_SSE, headers={"X-Accel-Buffering": "no"})
    page = await (feed.page(after, limit) if wait is None else _poll(request, feed, after, limit, wait))
    return Response(page)


async def _poll(request: Request[Any, Any, Any], feed: "_Feed", after: int, limit: int, seconds: float) -> EventPage:
    """A page as soon as there is something in it. `401` when the token ends while it waits, `404` when the app is out of sight."""
    end = monotonic() + seconds
    while True:
        page = await feed.wait(after, limit, min(_LOOK_SECONDS, max(end - monotonic(), 0)))
        await feed.may_go_on(request)
        if page.items or monotonic() >= end:
            return page


class _Feed:
    """The feed of one app, or of all that the principal may see."""

    def __init__(self, core: Core, principal: Principal, app_id: str | None) -> None:
        self._core = core
        self.principal = principal
        self._app_id = app_id

    async def may_go_on(self, request: Request[Any, Any, Any]) -> None:
        """`Problem` once the token has ended, or the app is none that its user may see."""
        self.principal = await request.app.state.authenticator.authenticate(request.scope)
        if self._app_id is not None:
            await lookup.id_to_read(self._core, self.principal, self._app_id)

    async def page(self, after: int, limit: int) -> EventPage:
        async with self._core.db.connect() as connection:
            return await service.read(connection, self.principal, self._app_id, after, limit)

    async def wait(self, after: int, limit: int, seconds: float) -> EventPage:
        """A page as soon as there is something in it; an empty one at the end of the wait."""
        last = EventPage(items=[], next_after=after)

        async def news() -> EventPage | None:
            nonlocal last
            last = await self.page(after, limit)
            return last if last.items else None

        return await self._core.wakes.until(self._app_id or EVERYTHING, seconds, news) or last


async def _stream(request: Request[Any, Any, Any], feed: _Feed, after: int) -> AsyncIterator[bytes]:
    """Events as they come, and a comment every 15 s. It ends within a second of its token, before anything more is shown."""
    pinged = monotonic()
    yield b": dockup\n\n"
    while True:
        page = await feed.wait(after, _BATCH, _LOOK_SECONDS)
        try:
            await feed.may_go_on(request)
        except Problem:
            return
        after = page.next_after
        for event in page.items:
            yield b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), msgspec.json.encode(event))
        if monotonic() - pinged >= _PING_SECONDS:
            pinged = monotonic()
            yield b": ping\n\n"
