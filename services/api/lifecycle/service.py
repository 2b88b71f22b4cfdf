"""Start, stop, restart, pause and unpause: changes of what is wanted, which the runtime makes so."""

from libs.common import clock
from libs.common.states import Intent
from services.api.apps.desired import THAW, desire
from services.api.apps.models import AppRow
from services.api.apps.observed import refresh
from services.api.autoscale import policy
from services.api.db.tx import Tx
from services.api.deployments.moves import UNDER_WAY, cancel_all
from services.api.http.problems import Problem


async def start(tx: Tx, app: AppRow) -> None:
    """Nothing to do for one that runs or is being deployed; a paused one goes on, one that sleeps wakes.

    `409 app_not_running` when it was never deployed.
    """
    _need_release(app)
    may_sleep = policy.wake(app)
    if app.intent == Intent.PAUSED:
        await unpause(tx, app)
        return
    if app.intent == Intent.RUNNING and not may_sleep:
        return
    app.intent = Intent.RUNNING.value
    await _change(tx, app, "start", "is being started")


async def stop(tx: Tx, app: AppRow) -> None:
    """Drain and remove the replicas. What is being deployed is cancelled: a stopped app stays stopped."""
    is_down = app.intent == Intent.STOPPED or app.current is None
    if is_down and app.newest_status not in UNDER_WAY and app.candidate is None:
        return
    await cancel_all(tx, app, "the app was stopped")
    app.intent = Intent.STOPPED.value
    await _change(tx, app, "stop", "is being stopped")


async def restart(tx: Tx, app: AppRow) -> None:
    """Replace every replica, the new ones first. One that is stopped or sleeps is started."""
    _need_release(app)
    policy.wake(app)
    app.intent = Intent.RUNNING.value
    app.restart += 1
    await _change(tx, app, "restart", "is being restarted")


async def pause(tx: Tx, app: AppRow) -> None:
    """Freeze the replicas. What is being deployed is cancelled: the app stays paused. `409 app_not_running` when nothing is live."""
    if app.current is None or app.intent == Intent.STOPPED:
        raise Problem("app_not_running", f"{app.slug} has nothing that runs and could be paused.")
    if app.intent == Intent.PAUSED and app.newest_status not in UNDER_WAY and app.candidate is None:
        return
    await cancel_all(tx, app, "the app was paused")
    app.intent = Intent.PAUSED.value
    await _change(tx, app, "pause", "is being paused")


async def unpause(tx: Tx, app: AppRow) -> None:
    """Have the replicas go on, whoever paused them. `409 app_not_running` when nothing is live or it is stopped."""
    if app.current is None or app.intent == Intent.STOPPED:
        raise Problem("app_not_running", f"{app.slug} has nothing that could go on.")
    app.intent = Intent.RUNNING.value
    await _change(tx, app, THAW, "is being unpaused")


def _need_release(app: AppRow) -> None:
    if app.current is None and app.newest_status not in UNDER_WAY:
        hint = f"Deploy it first: POST /api/v1/apps/{app.slug}/deploy."
        raise Problem("app_not_running", f"{app.slug} has no live release to start.", hint=hint)


async def _change(tx: Tx, app: AppRow, op: str, words: str) -> None:
    app.op, app.op_revision = op, app.revision + 1
    app.updated_at = clock.now()
    tx.record(f"app.{op}", f"The app {words}.", app_id=app.id, project_id=app.project_id)
    await refresh(tx, app)
    desire(tx, app)
