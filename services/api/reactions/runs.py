"""What follows from the runtime's word on runs."""

from sqlalchemy import select

from libs.common.messages.runtime import RunEnded, RunStarted
from libs.common.states import OPEN_RUNS, RunStatus
from services.api.apps.models import AppRow
from services.api.reactions.scene import Line, Scene
from services.api.runs import moves
from services.api.runs.models import RunRow

_SAYS = {
    RunStatus.SUCCEEDED: ("succeeded", "info"),
    RunStatus.FAILED: ("failed", "error"),
    RunStatus.CANCELLED: ("was cancelled", "info"),
    RunStatus.TIMED_OUT: ("took longer than its time limit", "error"),
}


async def run_started(scene: Scene, event: RunStarted) -> Line | None:
    found = await _open(scene, event.app_id, event.run_id)
    if found is None or found[1].status != RunStatus.QUEUED:
        return None
    app, row = found
    moves.start(app, row, event.release, event.at)
    scene.change(app)
    return _line(app, row, "run.started", f"Run {row.id} started.")


async def run_ended(scene: Scene, event: RunEnded) -> Line | None:
    """Its container may go: the runtime hears so by the run's absence."""
    found = await _open(scene, event.app_id, event.run_id)
    if found is None:
        return None
    app, row = found
    moves.end(app, row, event.status, event.at, exit_code=event.exit_code, why=event.failure)
    scene.change(app)
    words, level = _SAYS[event.status]
    why = f": {event.failure.message}" if event.failure else "."
    return _line(app, row, f"run.{row.status}", f"Run {row.id} {words}{why}", level)


async def _open(scene: Scene, app_id: str, run_id: str) -> tuple[AppRow, RunRow] | None:
    """The run while it is open, its app locked."""
    app = await scene.app(app_id)
    if app is None:
        return None
    query = select(RunRow).where(RunRow.id == run_id, RunRow.app_id == app_id)
    row = (await scene.tx.session.execute(query)).scalar_one_or_none()
    if row is None or row.status not in OPEN_RUNS:
        return None
    scene.wakes.add(run_id)
    return app, row


def _line(app: AppRow, row: RunRow, kind: str, message: str, level: str = "info") -> Line:
    return Line(type=kind, message=message, project_id=app.project_id, app_id=app.id, level=level, data=moves.facts_of(row))
