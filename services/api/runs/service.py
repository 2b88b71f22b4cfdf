"""What happens to runs, and how they are read."""

import math
from typing import cast

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.bus import Bus, NoAnswer
from libs.common.messages.runtime import LogsAnswer, RunLogsQuery
from libs.common.states import OPEN_RUNS, RunStatus
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.deployments.schemas import FailureView
from services.api.http.problems import Problem, not_found
from services.api.runs import moves
from services.api.runs.models import RunRow
from services.api.runs.schemas import Run, RunLine, RunLog, RunPage, StatusWord, TriggerWord
from services.api.secrets.commands import Shown

_PATIENCE_SECONDS = 5.0
_failure = msgspec.json.Decoder(FailureView)


async def cancel(tx: Tx, app: AppRow, run_id: str) -> RunRow:
    """Have it end. Twice is as good as once; `409 run_ended`, with `run`, for one that came to another end."""
    row = (await tx.session.execute(held(_one(app, run_id)))).scalar_one_or_none()
    if row is None:
        raise not_found("run", run_id)
    if is_open(row):
        moves.cancel(app, row)
        tx.audit("run.cancel_requested", row.id, project_id=app.project_id)
        desire(tx, app)
    elif row.status != RunStatus.CANCELLED:
        raise Problem("run_ended", f"The run has ended: {row.status}.", run=to_view(row))
    return row


async def get(session: AsyncSession, app: AppRow, run_id: str) -> RunRow:
    row = (await session.execute(_one(app, run_id))).scalar_one_or_none()
    if row is None:
        raise not_found("run", run_id)
    return row


async def page(session: AsyncSession, app: AppRow, limit: int, cursor: str | None, job_id: str | None, *, shown: Shown) -> RunPage:
    """The newest first."""
    query = select(RunRow).where(RunRow.app_id == app.id).order_by(RunRow.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(RunRow.id < cursor)
    if job_id is not None:
        query = query.where(RunRow.job_id == job_id)
    rows = list((await session.execute(query)).scalars())
    items = [to_view(row, shown) for row in rows[:limit]]
    return RunPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def log_of(bus: Bus, row: RunRow, tail: int) -> RunLog:
    """`503 runtime_unavailable` when no runtime answers in five seconds."""
    query = RunLogsQuery(app_id=row.app_id, run_id=row.id, tail=tail)
    try:
        answer = await bus.query("runtime", "run_logs", query, LogsAnswer, timeout=_PATIENCE_SECONDS)
    except NoAnswer as error:
        detail = "The log is with the runtime, which does not answer now; the run is not affected."
        raise Problem("runtime_unavailable", detail, headers={"Retry-After": "2"}) from error
    items = [RunLine(at=line.at, stream=line.stream, message=line.message) for line in answer.items]
    return RunLog(items=items, truncated=answer.truncated, ended=not is_open(row))


def is_open(row: RunRow) -> bool:
    return row.status in OPEN_RUNS


def to_view(row: RunRow, shown: Shown = list) -> Run:
    """`shown` is how its reader reads commands; as it is, who may run one."""
    base = f"/api/v1/apps/{row.app_id}/runs/{row.id}"
    return Run(
        id=row.id,
        app_id=row.app_id,
        command=shown(moves.words(row.command)),
        status=cast("StatusWord", row.status),
        exit_code=row.exit_code,
        trigger=cast("TriggerWord", row.trigger),
        job_id=row.job_id,
        actor=row.actor,
        release=row.release,
        timeout_seconds=math.ceil(row.timeout_seconds),
        failure=_failure.decode(row.failure) if row.failure else None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        cancel_requested_at=row.cancel_requested_at,
        links={"self": base, "logs": f"{base}/logs", "app": f"/api/v1/apps/{row.app_id}"},
    )


def _one(app: AppRow, run_id: str) -> Select[RunRow]:
    return select(RunRow).where(RunRow.app_id == app.id, RunRow.id == run_id)
