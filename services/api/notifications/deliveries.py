"""What hooks were told, as their people read it; and telling again."""

import time
from datetime import UTC, datetime
from typing import cast

import msgspec
from sqlalchemy import insert, select

from libs.common import clock, ids
from services.api.db.database import Database
from services.api.db.tx import Tx
from services.api.http.problems import not_found
from services.api.notifications.matching import to_tell
from services.api.notifications.models import NotificationDeliveryRow, NotificationRow
from services.api.notifications.schemas import DeliveryStatus, Notice, NotificationDelivery, NotificationDeliveryPage
from services.api.notifications.sending import AT_ONCE


async def page(db: Database, notification_id: str, limit: int, cursor: str | None) -> NotificationDeliveryPage:
    """The newest first."""
    query = select(NotificationDeliveryRow).where(NotificationDeliveryRow.notification_id == notification_id)
    query = query.order_by(NotificationDeliveryRow.id.desc()).limit(limit + 1)
    async with db.read() as session:
        rows = list((await session.execute(query.where(NotificationDeliveryRow.id < cursor) if cursor else query)).scalars())
    items = [to_view(row) for row in rows[:limit]]
    return NotificationDeliveryPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def test(tx: Tx, hook: NotificationRow) -> NotificationDelivery:
    """Tell something that did not happen."""
    notice = Notice(
        type="notification.test",
        at=clock.now(),
        seq=None,
        project_id=hook.project_id,
        app=None,
        deployment_id=None,
        level="info",
        message=f"This is a test of the notification {hook.name}.",
        data={},
    )
    values = {**to_tell(hook.id, ids.new("test"), notice), "next_at": AT_ONCE}
    await tx.connection.execute(insert(NotificationDeliveryRow).values(values))
    tx.audit("notification.tested", hook.id, project_id=hook.project_id)
    return to_view(NotificationDeliveryRow(**values))


async def again(tx: Tx, hook: NotificationRow, delivery_id: str) -> NotificationDelivery:
    """Begin anew with the same body and the same id, whatever came of it before."""
    row = await tx.session.get(NotificationDeliveryRow, delivery_id)
    if row is None or row.notification_id != hook.id:
        raise not_found("delivery", delivery_id)
    row.status, row.attempts, row.next_at, row.ended_at = "pending", 0, AT_ONCE, None
    tx.audit("notification.redelivered", delivery_id, project_id=hook.project_id)
    return to_view(row)


def to_view(row: NotificationDeliveryRow) -> NotificationDelivery:
    is_pending = row.status == "pending"
    return NotificationDelivery(
        id=row.id,
        event=row.event_type,
        seq=msgspec.json.decode(row.body, type=Notice).seq,
        status=cast("DeliveryStatus", row.status),
        attempts=row.attempts,
        response_status=row.response_status,
        detail=row.detail,
        created_at=row.created_at,
        ended_at=row.ended_at,
        next_attempt_at=clock.rfc3339(datetime.fromtimestamp(max(row.next_at, time.time()), UTC)) if is_pending else None,
    )
