"""What is done for notifications in the background: the feed is matched as it grows, what is due is sent, and what is old goes."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog
from sqlalchemy import delete, select

from libs.common import clock
from services.api.core import Core
from services.api.notifications import matching, sending
from services.api.notifications.models import NotificationDeliveryRow, NotificationRow
from services.api.projects.models import ProjectRow
from services.api.wakes import EVERYTHING

KEPT = timedelta(days=30)
LINGERS = timedelta(days=1)
"""How long the hooks of a project outlive it: they are told of its end, too."""
_TICK = 2.0
"""Seconds until is looked again although nothing happened: for tries whose time comes, and for what another process left."""
_SELDOM = 600.0
_PAGE = 500
_LEFT = select(NotificationRow.id).join(ProjectRow, ProjectRow.id == NotificationRow.project_id)

logger = structlog.get_logger()


async def run(core: Core) -> None:
    """Until cancelled. A receiver that is slow holds up neither the feed nor the others."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_match(core))
        group.create_task(_send(core))


async def _match(core: Core) -> None:
    seen, looked = -1, 0.0
    while True:
        with core.wakes.ticket(EVERYTHING) as ticket:
            head = core.follower.seq
            if head != seen or monotonic() - looked >= _TICK:
                seen, looked = head, monotonic()
                try:
                    while await matching.match(core):
                        core.notify.set()
                except Exception:  # the database may be away; the feed is kept, and matched later
                    logger.exception("notifications.not_matched")
            await ticket.wait(_TICK)


async def _send(core: Core) -> None:
    purged = 0.0
    async with sending.Sender(core) as sender:
        while True:
            core.notify.clear()
            try:
                await sender.tell_due()
                if monotonic() - purged >= _SELDOM:
                    purged = monotonic()
                    while await purge(core):
                        continue
            except Exception:
                logger.exception("notifications.not_sent")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await core.notify.wait()


async def purge(core: Core) -> bool:
    """Remove deliveries that are too old, and hooks of projects that are gone; say whether there may be more.

    Looks first, so that mostly nothing is written.
    """
    old = (
        select(NotificationDeliveryRow.id).where(NotificationDeliveryRow.created_at < clock.rfc3339(datetime.now(UTC) - KEPT)).limit(_PAGE)
    )
    async with core.db.connect() as connection:
        found = (await connection.execute(old)).scalars().all()
        left = (await connection.execute(_LEFT.where(ProjectRow.gone_at < clock.rfc3339(datetime.now(UTC) - LINGERS)))).scalars().all()
    if found or left:
        async with core.db.begin() as tx:
            await tx.connection.execute(delete(NotificationDeliveryRow).where(NotificationDeliveryRow.id.in_(found)))
            await tx.connection.execute(delete(NotificationRow).where(NotificationRow.id.in_(left)))
    return len(found) == _PAGE
