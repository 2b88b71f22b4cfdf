"""Reading the feed. What a page shows, a stream shows: both read SQL up to the cursor."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import subjects
from services.api.db.tables import CursorRow, MetaRow
from services.api.events.models import EventRow
from services.api.events.schemas import Event, EventPage
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.projects.access import in_visible_project
from services.api.purge import PURGED_TO

_COLUMNS = (
    EventRow.seq,
    EventRow.type,
    EventRow.at,
    EventRow.app_id,
    EventRow.deployment_id,
    EventRow.actor,
    EventRow.level,
    EventRow.message,
    EventRow.data,
)

_BOUNDS = select(
    select(CursorRow.seq).where(CursorRow.name == subjects.EVENTS).scalar_subquery(),
    select(MetaRow.value).where(MetaRow.name == PURGED_TO).scalar_subquery(),
)
"""How far the stream was read, and up to where the feed is not kept any more."""


async def read(connection: AsyncConnection, principal: Principal, app_id: str | None, after: int, limit: int) -> EventPage:
    """Events after `after`, the oldest first. `410 cursor_expired` for a cursor past the head or before what is kept."""
    last, purged = (await connection.execute(_BOUNDS)).one()
    if after > last:
        raise Problem("cursor_expired", f"The cursor {after} is past the newest event, {last}.", restart_after=last)
    if 0 < after < int(purged or 0):
        raise Problem("cursor_expired", f"Events up to {purged} are not kept any more.", restart_after=int(purged))
    of_app = {} if app_id is None else {"app_id": app_id}
    bounds = {"after": after, "last": last, "limit": limit}  # what has come since is of the next page
    rows = (await connection.execute(_page(principal, is_of_app=bool(of_app)), {**bounds, **of_app})).all()
    return EventPage(items=_views(rows), next_after=rows[-1].seq if len(rows) == limit else last)


@lru_cache(maxsize=256)
def _page(principal: Principal, *, is_of_app: bool) -> Select[int, str, str, str | None, str | None, str | None, str, str, str]:
    """The statement of a page; putting it together costs more than running it."""
    query = select(*_COLUMNS).where(EventRow.seq > bindparam("after"), EventRow.seq <= bindparam("last"))
    query = query.order_by(EventRow.seq).limit(bindparam("limit"))
    if is_of_app:
        query = query.where(EventRow.app_id == bindparam("app_id"))
    return query.where(in_visible_project(principal, EventRow.project_id))


def _views(rows: Iterable[Any]) -> list[Event]:
    return [
        Event(
            seq=row.seq,
            type=row.type,
            at=row.at,
            app_id=row.app_id,
            deployment_id=row.deployment_id,
            actor=row.actor,
            level=row.level,
            message=row.message,
            data=msgspec.json.decode(row.data),
        )
        for row in rows
    ]
