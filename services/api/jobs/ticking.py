"""Begins what is due. Any API process may do it: whoever moves `next_at` on makes the run, in the same transaction."""

import asyncio
import time

import structlog
from sqlalchemy import select, update

from libs.common import clock, log
from libs.common.states import OPEN_RUNS, Intent
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.jobs.models import JobRow
from services.api.jobs.schedule import next_after
from services.api.jobs.service import record
from services.api.recovery.mode import needed
from services.api.runs import moves
from services.api.runs.models import RunRow

_AGAIN = 60.0
_TICK = 1.0
_MOST = 50
_JUMP = 5.0
_ACTOR = "job"

logger = structlog.get_logger()


async def run(core: Core) -> None:
    """Until cancelled. One job never harms another."""
    last = float("inf")
    while True:
        shift = time.time() - time.monotonic()
        try:
            if shift < last - _JUMP:  # the clock went back, maybe before this start: what is due may stand far ahead
                await realign(core)
            last = shift
            await tick(core)
        except Exception as error:  # the database may be away
            logger.warning("jobs.tick_failed", error=str(error) or type(error).__name__, exc_info=True)
        await asyncio.sleep(_TICK)


async def tick(core: Core) -> None:
    """Begin all that is due now. While nobody knows whether this database counts, nothing is."""
    query = select(JobRow.id, JobRow.next_at).where(JobRow.next_at <= time.time()).order_by(JobRow.next_at).limit(_MOST)
    async with core.db.connect() as connection:
        due = (await connection.execute(query)).all()
        if not due or await needed(connection) is not None:
            return
    for job in due:
        try:
            async with core.db.begin() as tx:
                with log.incoming({log.HEADERS["actor"]: _ACTOR}):
                    await _begin(tx, job.id, job.next_at)
        except Exception as error:
            logger.warning("job.failed", job_id=job.id, error=str(error) or type(error).__name__, exc_info=True)
            # Else those that cannot be begun would come first again, and leave no room for others.
            async with core.db.begin() as tx:
                await _move(tx, job.id, job.next_at, time.time() + _AGAIN)


async def realign(core: Core) -> None:
    """No job waits longer than its schedule says."""
    now = time.time()
    columns = (JobRow.id, JobRow.next_at, JobRow.schedule, JobRow.time_zone)
    async with core.db.connect() as connection:
        ahead = (await connection.execute(select(*columns).where(JobRow.next_at > now))).all()
    for job in ahead:
        try:
            due = next_after(job.schedule, job.time_zone, now)
        except Problem as problem:  # a zone that this machine does not know
            logger.warning("job.not_aligned", job_id=job.id, error=problem.detail)
            continue
        if due < job.next_at:
            async with core.db.begin() as tx:
                await _move(tx, job.id, job.next_at, due)


async def _begin(tx: Tx, job_id: str, next_at: float) -> None:
    query = select(AppRow).join(JobRow, JobRow.app_id == AppRow.id).where(JobRow.id == job_id)
    app = (await tx.session.execute(held(query, AppRow))).scalar_one_or_none()
    if app is None or app.intent == Intent.DELETED:
        return
    job = await tx.session.get_one(JobRow, job_id)
    # From now, not from what was due: after an hour without us it is run once.
    if not await _move(tx, job_id, next_at, next_after(job.schedule, job.time_zone, time.time())):
        return
    if not job.allow_overlap and await _is_running(tx, job):
        _skip(tx, app, job, "its last run is still open")
        return
    try:
        made = moves.begin(tx, app, moves.words(job.command), job.timeout_seconds, _ACTOR, trigger="job", job_id=job.id)
    except Problem as problem:
        _skip(tx, app, job, problem.detail)
        return
    job.last_run_id = made.id
    desire(tx, app)


async def _move(tx: Tx, job_id: str, before: float, to: float) -> bool:
    """Whether nobody else has moved it."""
    moved = update(JobRow).where(JobRow.id == job_id, JobRow.next_at == before).values(next_at=to)
    return (await tx.connection.execute(moved)).rowcount == 1


async def _is_running(tx: Tx, job: JobRow) -> bool:
    query = select(RunRow.id).where(RunRow.job_id == job.id, RunRow.status.in_([status.value for status in OPEN_RUNS])).limit(1)
    return (await tx.connection.execute(query)).first() is not None


def _skip(tx: Tx, app: AppRow, job: JobRow, why: str) -> None:
    job.skipped += 1
    job.last_skipped_at = clock.now()
    record(tx, app, job, "job.skipped", f"The job {job.name} was due and did not run: {why.rstrip('.')}.", level="warning", reason=why)
