"""What is done for git in the background: tokens, webhooks, reports, previews and their comments, and old deliveries."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, func, select, union_all

from libs.common import clock
from services.api.core import Core
from services.api.db import tries
from services.api.git.models import GitConnectionRow, ReportRow
from services.api.previews import upkeep as previews
from services.api.previews.models import PreviewRow
from services.api.wakes import EVERYTHING
from services.api.webhooks.models import DeliveryRow, WebhookRow

KEPT_DELIVERIES = timedelta(days=90)
"""Of the older ones only the id stays, so that they are never taken twice."""
_SHORTEST, _LONGEST = 0.5, 10.0
"""Seconds between two looks: however much happens, and though nothing does. Another API process may have work that nobody here heard of."""
_PURGE = 60.0

_Job = tuple[str, Callable[[Core], Awaitable[None]], float]

logger = structlog.get_logger()


async def run(core: Core) -> None:
    """Look when something happened and when something is due, until cancelled.

    What fails is tried again; GitHub being away holds nothing else up.
    """
    last: dict[str, float] = {}
    with core.wakes.ticket(EVERYTHING) as ticket:
        while True:
            for name, work, gap in _work(core):
                if time.monotonic() - last.get(name, -gap) >= gap:
                    last[name] = time.monotonic()
                    await _once(name, work, core)
            await asyncio.sleep(_SHORTEST)
            await ticket.news(await _rest(core))


def _work(core: Core) -> list[_Job]:
    always: list[_Job] = [("previews", previews.sweep, 0.0), ("deliveries", purge, _PURGE)]
    if not core.hub.is_configured:
        return always
    from services.api.git import reporting, tokens  # noqa: PLC0415 - they bring the client, which most do not need
    from services.api.webhooks import hooks  # noqa: PLC0415 - as above

    told = [("tokens", tokens.refresh_due), ("reports", reporting.tell_due), ("webhooks", hooks.make_due)]
    return [*always, *((name, work, 0.0) for name, work in (*told, ("comments", previews.comment_due)))]


async def _rest(core: Core) -> float:
    """Seconds until the next try, or the next end of a preview or a token; at most `_LONGEST`."""
    now = time.time()
    columns = (ReportRow.next_at, WebhookRow.next_at, PreviewRow.next_at, PreviewRow.expires_at, GitConnectionRow.refresh_at)
    times = union_all(*(select(func.min(column).label("at")).where(column > now) for column in columns)).subquery()
    try:
        async with core.db.connect() as connection:
            soonest = (await connection.execute(select(func.min(times.c.at)))).scalar_one()
    except Exception as error:
        logger.warning("git.upkeep_failed", work="times", error=str(error) or type(error).__name__, exc_info=True)
        return _LONGEST
    return _LONGEST if soonest is None else min(max(soonest - now, 0.0), _LONGEST)


async def _once(name: str, work: Callable[[Core], Awaitable[None]], core: Core) -> None:
    try:
        await work(core)
    except Exception as error:
        logger.warning("git.upkeep_failed", work=name, error=str(error) or type(error).__name__, exc_info=True)


async def purge(core: Core) -> None:
    """Remove deliveries that are too old. Looks first, so that mostly nothing is written."""
    old = select(DeliveryRow.id).where(DeliveryRow.received_at < clock.rfc3339(datetime.now(UTC) - KEPT_DELIVERIES)).limit(10 * tries.MOST)
    async with core.db.connect() as connection:
        found = (await connection.execute(old)).scalars().all()
    if found:
        async with core.db.begin() as tx:
            await tx.connection.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(found)))
