"""From the feed to what is to be told: each event becomes one delivery a hook that wants it, whichever process sees it first.

How far the feed was matched stands in SQL and moves by compare-and-set, in the transaction that makes the deliveries: none is missed
and none comes twice.
"""

import time
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import clock, ids, subjects
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.tables import CursorRow, MetaRow
from services.api.events.models import EventRow
from services.api.notifications.models import NotificationDeliveryRow, NotificationRow
from services.api.notifications.patterns import wants
from services.api.notifications.schemas import Notice, NoticeApp

_MATCHED = "notified_to"
_BATCH = 500
_HOOKS = select(
    NotificationRow.id, NotificationRow.project_id, NotificationRow.events, NotificationRow.apps, NotificationRow.from_seq
).where(NotificationRow.active)
_PLACE = select(
    select(CursorRow.seq).where(CursorRow.name == subjects.EVENTS).scalar_subquery(),
    select(MetaRow.value).where(MetaRow.name == _MATCHED).scalar_subquery(),
)
_patterns = msgspec.json.Decoder(list[str])


class Hook(msgspec.Struct, frozen=True):
    """A row, read. `apps` None: all of the project."""

    id: str
    project_id: str
    patterns: tuple[str, ...]
    apps: frozenset[str] | None
    from_seq: int

    def takes(self, event: Row[*tuple[Any, ...]]) -> bool:
        if event.project_id != self.project_id or event.seq <= self.from_seq:
            return False
        return (self.apps is None or event.app_id in self.apps) and wants(self.patterns, event.type)


async def match(core: Core) -> bool:
    """Take a batch of the feed; say whether anything is to be told now. Without hooks it is two reads."""
    async with core.db.connect() as connection:
        hooks = [_hook(row) for row in await connection.execute(_HOOKS)]
        if not hooks:
            return False
        head, place = (await connection.execute(_PLACE)).one()
        start = max(int(place or 0), min(hook.from_seq for hook in hooks))
        if start >= head:
            return False
        rows = (await connection.execute(_events(start, head))).all()
        apps = await _apps(connection, {row.app_id for row in rows if row.app_id})
    made = [_delivery(hook, row, _notice(core, row, apps.get(row.app_id))) for row in rows for hook in hooks if hook.takes(row)]
    end = rows[-1].seq if len(rows) == _BATCH else head
    return await _store(core, place, end, made)


def _events(start: int, head: int) -> Select[*tuple[Any, ...]]:
    columns = (
        EventRow.seq,
        EventRow.type,
        EventRow.at,
        EventRow.app_id,
        EventRow.project_id,
        EventRow.deployment_id,
        EventRow.level,
        EventRow.message,
        EventRow.data,
    )
    return select(*columns).where(EventRow.seq > start, EventRow.seq <= head).order_by(EventRow.seq).limit(_BATCH)


async def _apps(connection: AsyncConnection, app_ids: Iterable[str]) -> dict[str, Row[*tuple[Any, ...]]]:
    wanted = list(app_ids)
    if not wanted:
        return {}
    rows = await connection.execute(select(AppRow.id, AppRow.slug, AppRow.name).where(AppRow.id.in_(wanted)))
    return {row.id: row for row in rows}


async def _store(core: Core, place: str | None, end: int, made: list[dict[str, object]]) -> bool:
    """`False` when another process was first; it made the same."""
    async with core.db.begin() as tx:
        if place is None:
            # The first hook of this installation: a second process that does so too fails on the row's key.
            await tx.connection.execute(insert(MetaRow).values(name=_MATCHED, value=str(end)))
        else:
            mine = (MetaRow.name == _MATCHED, MetaRow.value == place)
            moved = await tx.connection.execute(update(MetaRow).where(*mine).values(value=str(end)))
            if moved.rowcount != 1:
                return False
        if made:
            await tx.connection.execute(insert(NotificationDeliveryRow), made)
    return True


def _hook(row: Row[*tuple[Any, ...]]) -> Hook:
    apps = None if row.apps is None else frozenset(_patterns.decode(row.apps))
    return Hook(row.id, row.project_id, tuple(_patterns.decode(row.events)), apps, int(row.from_seq))


def _notice(core: Core, row: Row[*tuple[Any, ...]], app: Row[*tuple[Any, ...]] | None) -> Notice:
    return Notice(
        type=row.type,
        at=row.at,
        seq=row.seq,
        project_id=row.project_id,
        app=NoticeApp(id=app.id, slug=app.slug, name=app.name, url=core.settings.app_url(app.slug)) if app else None,
        deployment_id=row.deployment_id,
        level=row.level,
        message=row.message,
        data=msgspec.json.decode(row.data),
    )


def _delivery(hook: Hook, row: Row[*tuple[Any, ...]], notice: Notice) -> dict[str, object]:
    return to_tell(hook.id, str(row.seq), notice)


def to_tell(notification_id: str, source: str, notice: Notice) -> dict[str, object]:
    """The values of a delivery's row that waits for its first try."""
    return {
        "id": ids.new("ntd"),
        "notification_id": notification_id,
        "source": source,
        "event_type": notice.type,
        "body": msgspec.json.encode(notice).decode(),
        "status": "pending",
        "attempts": 0,
        "next_at": time.time(),
        "response_status": None,
        "detail": "",
        "created_at": clock.now(),
        "ended_at": None,
    }
