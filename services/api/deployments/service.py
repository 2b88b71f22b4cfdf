"""What happens to deployments. Functions that take a `Tx` are the inside of one transaction."""

from functools import lru_cache
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Select, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock, ids, log
from libs.common.image_names import held_as, held_release
from libs.common.states import DeploymentStatus
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.apps.observed import refresh
from services.api.apps.view import fingerprint
from services.api.db.tx import Tx
from services.api.deployments import retention
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import UPLOAD, Phase, milliseconds, prepare, reference_of, supersede
from services.api.deployments.schemas import Deployment, DeploymentStatusWord, FailureView
from services.api.http.principal import Principal
from services.api.http.problems import not_found
from services.api.projects.access import membership, visible
from services.api.projects.models import MemberRow, ProjectRow
from services.api.settings import Settings

_failure = msgspec.json.Decoder(FailureView)
_phases = msgspec.json.Decoder(list[Phase])
_RELEASE, _DEPLOYMENT = insert(ReleaseRow), insert(DeploymentRow)
_HTTP_REQUEST_ID = log.HEADERS["request_id"]


async def deploy(
    tx: Tx, app: AppRow, actor: str, settings: Settings, *, upload: str | None = None, restores: int | None = None
) -> Deployment:
    """Freeze the app's settings into a release and have its image prepared.

    `upload` is the id of a deployment whose image is in the spool, `restores` the release whose very image it is to have.
    `409 nothing_to_deploy` without an image, `409 image_not_kept` for one of a release that is not kept.
    """
    await retention.check(tx, app, upload)
    dropped = app.dropped
    app.release += 1
    image = held_as(app.id, app.release) if upload or app.image is None else app.image
    if app.newest_status in {DeploymentStatus.QUEUED, DeploymentStatus.BUILDING, DeploymentStatus.DEPLOYING}:
        await supersede(tx, app, app.release)
    values = _new(app, actor, image, upload, restores)
    release = {
        "app_id": app.id,
        "number": app.release,
        "deployment_id": values["id"],
        "image": image,
        "settings": app.settings,
        "env": app.env,
        "fingerprint": fingerprint(image, app.settings, app.env) if upload else app.fingerprint,
        "restores": restores,
    }
    await tx.connection.execute(_RELEASE, release)
    await tx.connection.execute(_DEPLOYMENT, values)
    app.newest_status = DeploymentStatus.QUEUED.value
    _record_queued(tx, app, values["id"], "an uploaded image" if upload else image)
    tx.send(prepare(values["id"], app.id, app.release, reference_of(ReleaseRow(**release)), values["trigger"]))
    await refresh(tx, app)
    if app.dropped != dropped:
        desire(tx, app)
    return to_view(DeploymentRow(**values), image, app.slug, settings)


def _new(app: AppRow, actor: str, image: str, upload: str | None, restores: int | None) -> dict[str, Any]:
    now = clock.now()
    return {
        "id": upload or ids.new("dep"),
        "app_id": app.id,
        "number": app.release,
        "trigger": UPLOAD if upload else "api" if restores is None else "rollback",
        "source": UPLOAD if held_release(image, app.id) is not None else "image",
        "status": DeploymentStatus.QUEUED.value,
        "actor": actor,
        "request_id": log.outgoing().get(_HTTP_REQUEST_ID, ""),
        "created_at": now,
        "asked_at": now,
        "phases": "[]",
        "replaces": app.image if upload else None,
    }


def _record_queued(tx: Tx, app: AppRow, deployment_id: str, what: str) -> None:
    tx.record(
        "deployment.queued",
        f"Deployment {app.release} of {what} was asked for.",
        app_id=app.id,
        project_id=app.project_id,
        deployment_id=deployment_id,
        event_id=f"{deployment_id}.queued",
    )


def of(principal: Principal) -> Select[DeploymentRow, str, str]:
    """Deployments of apps that the principal may see, with image and slug."""
    return (
        select(DeploymentRow, ReleaseRow.image, AppRow.slug)
        .join(AppRow, AppRow.id == DeploymentRow.app_id)
        .join(ReleaseRow, (ReleaseRow.app_id == DeploymentRow.app_id) & (ReleaseRow.number == DeploymentRow.number))
        .join(ProjectRow, ProjectRow.id == AppRow.project_id)
        .outerjoin(MemberRow, membership(principal))
        .where(AppRow.gone_at.is_(None), visible(principal))
    )


@lru_cache(maxsize=256)
def _one(principal: Principal) -> Select[DeploymentRow, str, str]:
    """The statement for one deployment; putting it together costs more than running it."""
    return of(principal).where(DeploymentRow.id == bindparam("deployment_id"))


async def get(session: AsyncSession, principal: Principal, deployment_id: str, settings: Settings) -> Deployment:
    row = (await session.execute(_one(principal), {"deployment_id": deployment_id})).one_or_none()
    if row is None:
        raise not_found("deployment", deployment_id)
    return to_view(row[0], row[1], row[2], settings)


async def page(
    session: AsyncSession, principal: Principal, app_id: str, *, before: int | None, limit: int, settings: Settings
) -> tuple[list[Deployment], int | None]:
    """Return the newest first, and the number to go on before."""
    query = of(principal).where(DeploymentRow.app_id == app_id).order_by(DeploymentRow.number.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(DeploymentRow.number < before)
    rows = (await session.execute(query)).all()
    items = [to_view(row[0], row[1], row[2], settings) for row in rows[:limit]]
    return items, items[-1].number if len(rows) > limit else None


def to_view(row: DeploymentRow, image: str, slug: str, settings: Settings) -> Deployment:
    return Deployment(
        id=row.id,
        app_id=row.app_id,
        number=row.number,
        trigger=cast("Literal['api']", row.trigger),
        source=cast("Literal['image']", row.source),
        status=cast("DeploymentStatusWord", row.status),
        image=image,
        image_digest=row.image_digest,
        actor=row.actor,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        duration_ms=milliseconds(row.created_at, row.finished_at) if row.finished_at else None,
        phases=_phases.decode(row.phases),
        failure=_failure.decode(row.failure) if row.failure else None,
        url=settings.app_url(slug),
        links={
            "self": f"/api/v1/deployments/{row.id}",
            "app": f"/api/v1/apps/{row.app_id}",
            "logs": f"/api/v1/apps/{row.app_id}/logs?deployment_id={row.id}",
        },
    )
