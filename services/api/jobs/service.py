"""What people do with jobs. Functions that take a `Tx` are the inside of one transaction; the app's row is locked in all of them."""

import math
import time
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock, ids
from services.api.apps.grammar import Command, to_words
from services.api.apps.models import AppRow
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.http.problems import FieldError, Problem, not_found
from services.api.jobs.models import JobRow
from services.api.jobs.schedule import next_after
from services.api.jobs.schemas import UNSET, Job, JobPage, JobUpdate, NewJob
from services.api.runs.models import RunRow
from services.api.runs.moves import words
from services.api.runs.service import to_view as run_view
from services.api.secrets.commands import Shown

_MOST = 50
"""How many jobs an app may have."""
_PLAIN = ("name", "schedule", "time_zone", "timeout_seconds", "allow_overlap", "enabled")
_MOVING = frozenset({"next_at", "last_run", "skipped", "last_skipped_at", "updated_at"})


async def create(tx: Tx, app: AppRow, body: NewJob) -> Job:
    """`409 conflict` for a name that another job of the app has, `409 quota_exceeded` for one job too many."""
    count = (await tx.connection.execute(select(func.count()).where(JobRow.app_id == app.id))).scalar_one()
    if count >= _MOST:
        raise Problem("quota_exceeded", f"The app has {count} jobs.", hint="Delete one first.", used=count, allowed=_MOST)
    now = clock.now()
    row = JobRow(
        id=ids.new("job"),
        app_id=app.id,
        command=_encode(body.command),
        next_at=_next(body.schedule, body.time_zone, enabled=body.enabled),
        last_run_id=None,
        skipped=0,
        last_skipped_at=None,
        created_at=now,
        updated_at=now,
        **{name: getattr(body, name) for name in _PLAIN},
    )
    tx.session.add(row)
    await _write(tx, row)
    record(tx, app, row, "job.created", f"The job {row.name} was made.")
    return to_view(row, None)


async def update(tx: Tx, app: AppRow, job_id: str, body: JobUpdate) -> Job:
    """Merge `body` into the job. Its next tick is counted from now whenever schedule, zone or `enabled` changed."""
    row = await locked(tx, app, job_id)
    view = to_view(row, await _last_run(tx.session, row))
    _check_read_only(body, view)
    changed = [name for name in _PLAIN if getattr(body, name) not in (UNSET, getattr(row, name))]
    for name in changed:
        setattr(row, name, getattr(body, name))
    if not isinstance(body.command, msgspec.UnsetType) and (command := _encode(body.command)) != row.command:
        row.command = command
        changed.append("command")
    if not changed:
        return view
    if {"schedule", "time_zone", "enabled"} & set(changed):
        row.next_at = _next(row.schedule, row.time_zone, enabled=row.enabled)
    row.updated_at = clock.now()
    await _write(tx, row)
    record(tx, app, row, "job.updated", f"The job {row.name} was changed: {', '.join(changed)}.", changed=changed)
    return to_view(row, await _last_run(tx.session, row))


async def remove(tx: Tx, app: AppRow, job_id: str) -> None:
    """Its runs stay, and one that is open goes on."""
    row = await locked(tx, app, job_id)
    await tx.connection.execute(delete(JobRow).where(JobRow.id == row.id))
    tx.session.expunge(row)
    record(tx, app, row, "job.deleted", f"The job {row.name} was deleted.")


async def locked(tx: Tx, app: AppRow, job_id: str) -> JobRow:
    row = (await tx.session.execute(held(_one(app, job_id)))).scalar_one_or_none()
    if row is None:
        raise not_found("job", job_id)
    return row


async def get(session: AsyncSession, app: AppRow, job_id: str, shown: Shown) -> Job:
    row = (await session.execute(_one(app, job_id))).scalar_one_or_none()
    if row is None:
        raise not_found("job", job_id)
    return to_view(row, await _last_run(session, row), shown)


async def page(session: AsyncSession, app: AppRow, limit: int, cursor: str | None, shown: Shown) -> JobPage:
    """Oldest first."""
    query = select(JobRow, RunRow).outerjoin(RunRow, RunRow.id == JobRow.last_run_id).where(JobRow.app_id == app.id)
    if cursor is not None:
        query = query.where(JobRow.id > cursor)
    rows = (await session.execute(query.order_by(JobRow.id).limit(limit + 1))).all()
    items = [to_view(job, run, shown) for job, run in rows[:limit]]
    return JobPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


def record(tx: Tx, app: AppRow, row: JobRow, kind: str, message: str, *, level: str = "info", **data: object) -> None:
    facts = {"job_id": row.id, "name": row.name, **data}
    tx.record(kind, message, app_id=app.id, project_id=app.project_id, level=level, data=facts)


def to_view(row: JobRow, last: RunRow | None, shown: Shown = list) -> Job:
    base = f"/api/v1/apps/{row.app_id}"
    return Job(
        **{name: getattr(row, name) for name in _PLAIN if name != "timeout_seconds"},
        timeout_seconds=math.ceil(row.timeout_seconds),
        id=row.id,
        app_id=row.app_id,
        command=shown(words(row.command)),
        next_at=clock.rfc3339(datetime.fromtimestamp(row.next_at, UTC)) if row.next_at is not None else None,
        last_run=run_view(last, shown) if last is not None else None,
        skipped=row.skipped,
        last_skipped_at=row.last_skipped_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        links={"self": f"{base}/jobs/{row.id}", "runs": f"{base}/runs?job_id={row.id}", "app": base},
    )


def _one(app: AppRow, job_id: str) -> Select[JobRow]:
    return select(JobRow).where(JobRow.app_id == app.id, JobRow.id == job_id)


async def _last_run(session: AsyncSession, row: JobRow) -> RunRow | None:
    return await session.get(RunRow, row.last_run_id) if row.last_run_id is not None else None


async def _write(tx: Tx, row: JobRow) -> None:
    name = row.name  # which a flush that fails forgets
    try:
        await tx.flush()
    except IntegrityError as error:
        raise Problem("conflict", f"The app has a job named {name!r} already.", hint="Choose another name.") from error


def _encode(command: Command) -> str:
    return msgspec.json.encode(to_words(command)).decode()


def _next(schedule: str, time_zone: str, *, enabled: bool) -> float | None:
    """Asked of one that is not enabled, too: what makes no sense is refused at once."""
    due = next_after(schedule, time_zone, time.time())
    return due if enabled else None


def _check_read_only(body: JobUpdate, view: Job) -> None:
    """`400 read_only_field`. In a whole resource that comes back, those that move by themselves may be older."""
    own = {"command", *_PLAIN}
    is_whole = body.id == view.id and body.created_at == view.created_at
    names = [field.name for field in msgspec.structs.fields(JobUpdate) if field.name not in own]
    wrong = [name for name in names if getattr(body, name) not in (UNSET, getattr(view, name)) and not (is_whole and name in _MOVING)]
    if wrong:
        errors = [FieldError(pointer=f"/{name}", detail="is read-only") for name in wrong]
        raise Problem("read_only_field", f"{', '.join(wrong)}: read-only.", errors=errors)
