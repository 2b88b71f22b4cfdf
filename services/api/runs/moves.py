"""How a run begins and ends, whoever moves it. The app's row is locked in all of them; `desire` is the caller's."""

import msgspec
from sqlalchemy import select, update

from libs.common import clock, ids
from libs.common.errors import failure
from libs.common.messages.api import Run
from libs.common.messages.failure import Failure
from libs.common.states import OPEN_RUNS, RunStatus
from services.api.apps import runs
from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.runs.models import RunRow

MOST_OPEN = 10
"""How many runs of an app may be open."""
_OPEN = tuple(status.value for status in OPEN_RUNS)
_command = msgspec.json.Decoder(tuple[str, ...])


def begin(
    tx: Tx, app: AppRow, command: tuple[str, ...], timeout_seconds: float, actor: str, *, trigger: str = "api", job_id: str | None = None
) -> RunRow:
    """A new run, queued. `409 nothing_to_run` for an app without a release, `409 quota_exceeded` for one run too many."""
    if app.current is None:
        raise Problem("nothing_to_run", f"No deployment of {app.slug} was live yet, so there is no image to run.")
    count = len(runs.open_runs(app))
    if count >= MOST_OPEN:
        hint = "Wait until one has ended, or cancel one."
        raise Problem("quota_exceeded", f"{count} runs of the app are open.", hint=hint, used=count, allowed=MOST_OPEN)
    row = RunRow(
        id=ids.new("run"),
        app_id=app.id,
        command=msgspec.json.encode(command).decode(),
        status=RunStatus.QUEUED.value,
        trigger=trigger,
        job_id=job_id,
        actor=actor,
        timeout_seconds=timeout_seconds,
        created_at=clock.now(),
    )
    tx.session.add(row)
    runs.note(app, to_message(row))
    record(tx, app, row, "was asked for.")
    return row


def cancel(app: AppRow, row: RunRow) -> None:
    """Have it end; the runtime says when it has."""
    row.cancel_requested_at = row.cancel_requested_at or clock.now()
    runs.note(app, to_message(row))


def start(app: AppRow, row: RunRow, release: int, at: str) -> None:
    row.status, row.started_at, row.release = RunStatus.RUNNING.value, at, release
    runs.note(app, to_message(row))


def end(app: AppRow, row: RunRow, status: RunStatus, at: str, *, exit_code: int | None = None, why: Failure | None = None) -> None:
    row.status, row.finished_at, row.exit_code = status.value, at, exit_code
    row.failure = msgspec.json.encode(why).decode() if why else None
    runs.forget(app, row.id)


async def cancel_all(tx: Tx, app: AppRow) -> None:
    """The app is to go: nobody waits for the runtime's word on its runs."""
    query = select(RunRow).where(RunRow.app_id == app.id, RunRow.status.in_(_OPEN))
    for row in (await tx.session.execute(query)).scalars():
        end(app, row, RunStatus.CANCELLED, clock.now())
        record(tx, app, row, "was cancelled: the app is being deleted.")


async def lose_all(tx: Tx) -> None:
    """Nobody knows which of the open ones of a database that was put back have run since."""
    why = failure("run", "run_lost", "The database was put back, and nobody knows whether it ran.")
    values = {"status": RunStatus.FAILED.value, "finished_at": clock.now(), "failure": msgspec.json.encode(why).decode()}
    await tx.connection.execute(update(RunRow).where(RunRow.status.in_(_OPEN)).values(**values))


def to_message(row: RunRow) -> Run:
    return Run(
        id=row.id,
        command=words(row.command),
        timeout_seconds=row.timeout_seconds,
        started=row.status == RunStatus.RUNNING,
        cancelled=row.cancel_requested_at is not None,
    )


def words(command: str) -> tuple[str, ...]:
    """A command as it stands in a row."""
    return _command.decode(command)


def record(tx: Tx, app: AppRow, row: RunRow, what: str) -> None:
    tx.record(
        f"run.{row.status}",
        f"Run {row.id} {what}",
        app_id=app.id,
        project_id=app.project_id,
        event_id=f"{row.id}.{row.status}",
        data=facts_of(row),
    )


def facts_of(row: RunRow) -> dict[str, object]:
    """What an event tells of a run. Not its command: that may hold what nobody else should see."""
    found: dict[str, object] = {"run_id": row.id, "trigger": row.trigger}
    if row.job_id is not None:
        found["job_id"] = row.job_id
    if row.exit_code is not None:
        found["exit_code"] = row.exit_code
    return found
