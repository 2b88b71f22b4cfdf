"""No deployment hangs: what was asked of the builder and brought no news is asked again, and what it buried is ended."""

from datetime import UTC, datetime, timedelta

import msgspec
import nats.js.errors
import structlog
from sqlalchemy import or_, select

from libs.common import clock, subjects
from libs.common.bus import Bus
from libs.common.cancelling import heed
from libs.common.errors import failure
from libs.common.states import DeploymentStatus
from services.api.apps.models import AppRow
from services.api.apps.observed import refresh
from services.api.db.database import Database
from services.api.db.locks import HELD
from services.api.db.tx import Tx
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import begin_next, collect, fail
from services.api.deployments.source import command

_PATIENCE = {DeploymentStatus.QUEUED: timedelta(seconds=20), DeploymentStatus.BUILDING: timedelta(seconds=120)}
_COLLECTED_WITHIN = timedelta(days=7)
_WAITING = tuple(status.value for status in _PATIENCE)

logger = structlog.get_logger()


class _Stale(msgspec.Struct, frozen=True):
    deployment_id: str
    app_id: str


async def redo(db: Database, bus: Bus, *, at_once: bool) -> None:
    """Ask again for every image that is waited for without news, for longer than `_PATIENCE` or at all when `at_once`.

    The command's id is the one that it had, so asking twice is harmless.
    """
    for stale in await _stale(db, at_once=at_once):
        reason = await _buried(bus, stale)
        async with db.begin() as tx:
            await (_ask(tx, stale) if reason is None else _end(tx, stale, reason))


async def collect_again(db: Database) -> None:
    """Have the images of apps that went lately taken back once more: the command for it may have been lost with the stream."""
    gone = select(AppRow.id).where(AppRow.gone_at >= clock.rfc3339(datetime.now(UTC) - _COLLECTED_WITHIN))
    async with db.connect() as connection:
        app_ids = (await connection.execute(gone)).scalars().all()
    if app_ids:
        async with db.begin() as tx:
            for app_id in app_ids:
                tx.send(collect(app_id))


async def _stale(db: Database, *, at_once: bool) -> list[_Stale]:
    now = datetime.now(UTC)
    silent = [
        (DeploymentRow.status == status.value) & (DeploymentRow.asked_at < clock.rfc3339(now - (timedelta() if at_once else patience)))
        for status, patience in _PATIENCE.items()
    ]
    query = (
        select(DeploymentRow.id, DeploymentRow.app_id)
        .join(ReleaseRow, (ReleaseRow.app_id == DeploymentRow.app_id) & (ReleaseRow.number == DeploymentRow.number))
        .where(or_(*silent), ReleaseRow.image_id.is_(None))
        .order_by(DeploymentRow.id)
    )
    async with db.connect() as connection:
        return [_Stale(row.id, row.app_id) for row in (await connection.execute(query)).all()]


async def _buried(bus: Bus, stale: _Stale) -> str | None:
    """Why the builder put the command into the dead letter, if it did."""
    try:
        message = await heed(bus.js.get_last_msg(subjects.DEADLETTER, subjects.dead("builder", stale.app_id)))
    except nats.js.errors.NotFoundError:
        return None
    headers = message.headers or {}
    if headers.get("Nats-Msg-Id") != f"{stale.deployment_id}.prepare":
        return None
    return headers.get("Dockup-Reason") or "the builder could not handle it"


async def _load(tx: Tx, stale: _Stale) -> tuple[AppRow, DeploymentRow] | None:
    """Lock the app, then read the deployment: it may have moved since."""
    app = await tx.session.get(AppRow, stale.app_id, with_for_update=HELD)
    deployment = await tx.session.get(DeploymentRow, stale.deployment_id)
    return (app, deployment) if app is not None and deployment is not None and deployment.status in _WAITING else None


async def _ask(tx: Tx, stale: _Stale) -> None:
    found = await _load(tx, stale)
    if found is None:
        return
    app, deployment = found
    release = await tx.session.get_one(ReleaseRow, (app.id, deployment.number))
    deployment.asked_at = clock.now()
    tx.send(await command(tx, app, release, trigger=deployment.trigger, kind=deployment.source))
    logger.info("deployment.asked_again", deployment_id=deployment.id)


async def _end(tx: Tx, stale: _Stale, reason: str) -> None:
    found = await _load(tx, stale)
    if found is None:
        return
    app, deployment = found
    fail(app, deployment, failure("building", "internal_error", f"The builder could not take it: {reason}."), clock.now())
    tx.record(
        "deployment.failed",
        f"Deployment {deployment.number} failed: the builder could not take it.",
        app_id=app.id,
        project_id=app.project_id,
        deployment_id=deployment.id,
        level="error",
        event_id=f"{deployment.id}.failed",
        data={"code": "internal_error"},
    )
    await begin_next(tx, app)
    await refresh(tx, app)
