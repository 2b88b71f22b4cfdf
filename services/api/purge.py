"""What is kept for a time and then goes: the audit after a year, events and runs after 30 days, answers to idempotency keys after one."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select

from libs.common import clock
from services.api.audit.models import AuditRow
from services.api.db.database import Database
from services.api.db.tables import IdempotencyRow, MetaRow
from services.api.events.models import EventRow
from services.api.runs.models import RunRow

KEPT_EVENTS = timedelta(days=30)
KEPT_AUDIT = timedelta(days=365)
KEPT_RUNS = timedelta(days=30)
KEPT_ANSWERS = timedelta(hours=24)
PURGED_TO = "events_purged_to"
"""The row of `meta` that holds the last `seq` that is not kept any more."""


async def purge(db: Database, now: datetime | None = None) -> None:
    """Remove what is over. Looks first, so that mostly nothing is written."""
    moment = now or datetime.now(UTC)
    answers = IdempotencyRow.created_at < (moment - KEPT_ANSWERS).timestamp()
    events = EventRow.at < clock.rfc3339(moment - KEPT_EVENTS)
    audit = AuditRow.at < clock.rfc3339(moment - KEPT_AUDIT)
    runs = RunRow.finished_at < clock.rfc3339(moment - KEPT_RUNS)
    async with db.connect() as connection:
        last = (await connection.execute(select(func.max(EventRow.seq)).where(events))).scalar_one()
        old = (await connection.execute(select(IdempotencyRow.key).where(answers).limit(1))).first()
        told = (await connection.execute(select(AuditRow.id).where(audit).limit(1))).first()
        ran = (await connection.execute(select(RunRow.id).where(runs).limit(1))).first()
    if last is None and old is None and told is None and ran is None:
        return
    async with db.begin() as tx:
        await tx.connection.execute(delete(IdempotencyRow).where(answers))
        await tx.connection.execute(delete(AuditRow).where(audit))
        await tx.connection.execute(delete(RunRow).where(runs))
        if last is not None:
            await tx.connection.execute(delete(EventRow).where(EventRow.seq <= last))
            await tx.session.merge(MetaRow(name=PURGED_TO, value=str(last)))
