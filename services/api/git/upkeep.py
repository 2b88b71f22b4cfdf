"""What is done for git in the background: tokens, webhooks, reports, previews and their comments, and old deliveries."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, select

from libs.common import clock
from services.api.core import Core
from services.api.git import tries
from services.api.previews import upkeep as previews
from services.api.webhooks.models import DeliveryRow

KEPT_DELIVERIES = timedelta(days=90)
"""Of the older ones only the id stays, so that they are never taken twice."""
_TICK = 0.5
_SELDOM = 60.0
_SWEEP = 5.0

_Job = tuple[str, Callable[[Core], Awaitable[None]], float]

logger = structlog.get_logger()


async def run(core: Core) -> None:
    """Until cancelled. What fails is tried again; GitHub being away holds nothing else up."""
    last: dict[str, float] = {}
    while True:
        await asyncio.sleep(_TICK)
        for name, work, gap in _work(core):
            if time.monotonic() - last.get(name, -_SELDOM) >= gap:
                last[name] = time.monotonic()
                await _once(name, work, core)


def _work(core: Core) -> list[_Job]:
    always: list[_Job] = [("previews", previews.sweep, _SWEEP), ("deliveries", purge, _SELDOM)]
    if not core.hub.is_configured:
        return always
    from services.api.git import reporting, tokens  # noqa: PLC0415 - they bring the client, which most do not need
    from services.api.webhooks import hooks  # noqa: PLC0415 - as above

    told = [("reports", reporting.tell_due), ("webhooks", hooks.make_due), ("comments", previews.comment_due)]
    return [*always, ("tokens", tokens.refresh_due, 2.0), *((name, work, 0.0) for name, work in told)]


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
