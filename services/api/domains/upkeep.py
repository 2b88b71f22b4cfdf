"""Asks DNS about each domain when its time has come."""

import asyncio
import time

import structlog
from sqlalchemy import select, update

from libs.common.states import Intent
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.locks import held
from services.api.domains import service
from services.api.domains.models import DomainRow
from services.api.recovery.mode import needed

_TICK = 2.0
_MOST = 40
"""Domains that are looked at at a time."""
_CLAIM_SECONDS = 120.0

logger = structlog.get_logger()


async def run(core: Core) -> None:
    """Until cancelled. A domain whose name servers are slow or broken holds no other up."""
    looking: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(_TICK)
            try:
                found = await due(core, _MOST - len(looking))
            except Exception as error:  # the database may be away
                logger.warning("domains.upkeep_failed", error=str(error) or type(error).__name__, exc_info=True)
                continue
            for domain_id, name in found:
                task = group.create_task(_check(core, domain_id, name))
                looking.add(task)
                task.add_done_callback(looking.discard)


async def due(core: Core, most: int) -> list[tuple[str, str]]:
    """The domains whose turn it is, first who has waited longest; none while recovery is needed.

    Another API process may take the same: a look too many does no harm.
    """
    query = select(DomainRow.id, DomainRow.name).where(DomainRow.next_check_at <= time.time()).order_by(DomainRow.next_check_at).limit(most)
    async with core.db.connect() as connection:
        if await needed(connection):
            return []
        found = [(row.id, row.name) for row in (await connection.execute(query)).all()]
    if found:
        later = update(DomainRow).where(DomainRow.id.in_([each for each, _ in found])).values(next_check_at=time.time() + _CLAIM_SECONDS)
        async with core.db.begin() as tx:
            await tx.connection.execute(later)
    return found


async def _check(core: Core, domain_id: str, name: str) -> None:
    try:
        seen = await service.look(core.resolver, name)
        async with core.db.begin() as tx:
            query = select(AppRow).join(DomainRow, DomainRow.app_id == AppRow.id).where(DomainRow.id == domain_id)
            app = (await tx.session.execute(held(query, AppRow))).scalar_one_or_none()
            if app is not None and app.intent != Intent.DELETED:
                service.take(tx, app, await service.locked(tx, app, name), seen)
    except Exception as error:  # one domain never harms another
        logger.warning("domain.check_failed", domain=name, error=str(error) or type(error).__name__, exc_info=True)
