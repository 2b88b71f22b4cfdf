"""What happens to deployments. Functions that take a `Tx` are the inside of one transaction."""

from functools import lru_cache
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Select, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock, ids, log
from libs.common.image_names import held_as
from libs.common.states import DeploymentStatus
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.apps.observed import refresh
from services.api.apps.source import Source, encode
from services.api.apps.view import fingerprint
from services.api.db.tx import Tx
from services.api.deployments import retention
from services.api.deployments import source as sources
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import UPLOAD, Phase, milliseconds, supersede
from services.api.deployments.schemas import Deployment, DeploymentStatusWord, FailureView
from services.api.deployments.source import GIT, Asked, Restored
from services.api.git import reports
from services.api.http.principal import Principal
from services.api.http.problems import not_found
from services.api.projects import shared
from services.api.projects.access import membership, visible
from services.api.projects.models import MemberRow, ProjectRow
from services.api.settings import Settings

_failure = msgspec.json.Decoder(FailureView)
_phases = msgspec.json.Decoder(list[Phase])
_RELEASE, _DEPLOYMENT = insert(ReleaseRow), insert(DeploymentRow)
_HTTP_REQUEST_ID = log.HEADERS["request_id"]


async def deploy(
    tx: Tx,
    app: AppRow,
    actor: str,
    settings: Settings,
    *,
    upload: str | None = None,
    restores: Restored | None = None,
    source: Asked | None = None,
) -> Deployment:
    """Freeze the app's settings into a release and have its image prepared: found, pulled, loaded or built.

    `upload` is the id of a deployment whose image is in the spool, `restores` the one whose very image it is to have, `source` what is
    asked for of an app that is built. `409 nothing_to_deploy` with neither image nor repository, `409 image_not_kept` for an image of
    a release that is not kept, `409 source_not_available` for a ref of an app that has no repository.
    """
    asked = source or Asked()
    sources.check(app, asked)
    if restores is None:
        await shared.note(tx, app)
    await retention.check(tx, app, has_own_image=bool(upload or restores or app.git_repo_url))
    dropped = app.dropped
    app.release += 1
    if app.newest_status in {DeploymentStatus.QUEUED, DeploymentStatus.BUILDING, DeploymentStatus.DEPLOYING}:
        await supersede(tx, app, app.release)
    kind = sources.kind_of(app, upload, restores)
    is_made = upload is not None or (kind == GIT and restores is None)
    image = held_as(app.id, app.release) if is_made or app.image is None else app.image
    frozen = sources.freeze(app, asked, settings.github_url)
    values = _new(app, actor, kind, asked, upload=upload, restores=restores)
    release = await _release(tx, app, values["id"], image, upload=upload, restores=restores)
    release["source"] = encode(frozen) or None
    await tx.connection.execute(_RELEASE, release)
    await tx.connection.execute(_DEPLOYMENT, values)
    if kind == GIT and not restores:
        await reports.expect(tx, app, values["id"])
    app.newest_status = DeploymentStatus.QUEUED.value
    _record_queued(tx, app, values["id"], _what(frozen, image, kind, is_made=is_made))
    tx.send(await sources.command(tx, app, ReleaseRow(**release), trigger=values["trigger"], kind=kind))
    await refresh(tx, app)
    if app.dropped != dropped:
        desire(tx, app)
    return to_view(DeploymentRow(**values), image, app.slug, settings)


async def _release(tx: Tx, app: AppRow, deployment_id: str, image: str, *, upload: str | None, restores: Restored | None) -> dict[str, Any]:
    """The row of the release: the app as it is set now, or what a rollback brings back."""
    return {
        "app_id": app.id,
        "number": app.release,
        "deployment_id": deployment_id,
        "image": image,
        "settings": app.settings,
        "procfile": restores.release.procfile if restores else "{}",
        "env": app.env,
        "shared": restores.release.shared if restores else await shared.freeze(tx, app),
        "fingerprint": _fingerprint(app, image, upload, restores),
        "restores": restores.release.number if restores else None,
    }


def _fingerprint(app: AppRow, image: str, upload: str | None, restores: Restored | None) -> str:
    if restores is not None:
        return restores.release.fingerprint
    return fingerprint(image, app.settings, app.env) if upload else app.fingerprint


def _what(source: Source | None, image: str, kind: str, *, is_made: bool) -> str:
    if not is_made:
        return image
    if kind == UPLOAD or source is None:
        return "an uploaded image"
    return f"{source.repo} at {source.commit or source.ref or 'its default branch'}"


def _new(app: AppRow, actor: str, kind: str, asked: Asked, *, upload: str | None, restores: Restored | None) -> dict[str, Any]:
    now = clock.now()
    built = restores.deployment if restores else None
    return {
        "id": upload or ids.new("dep"),
        "app_id": app.id,
        "number": app.release,
        "trigger": UPLOAD if upload else asked.trigger if restores is None else "rollback",
        "source": kind,
        "status": DeploymentStatus.QUEUED.value,
        "actor": actor,
        "request_id": log.outgoing().get(_HTTP_REQUEST_ID, ""),
        "created_at": now,
        "asked_at": now,
        "commit": built.commit if built else asked.commit,
        "commit_message": built.commit_message if built else asked.message,
        "ref": built.ref if built else (asked.ref or app.git_branch) if kind == GIT else None,
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


@lru_cache(maxsize=256)
def _status(principal: Principal) -> Select[str]:
    return _one(principal).with_only_columns(DeploymentRow.status)


async def status_of(session: AsyncSession, principal: Principal, deployment_id: str) -> str:
    """`404` for a deployment that is not there, or out of sight."""
    status = (await session.execute(_status(principal), {"deployment_id": deployment_id})).scalar_one_or_none()
    if status is None:
        raise not_found("deployment", deployment_id)
    return status


async def dockerfile_of(session: AsyncSession, principal: Principal, deployment_id: str) -> str:
    """The one that was written for it; `404` where the source had its own, or nothing was built."""
    query = _one(principal).with_only_columns(DeploymentRow.dockerfile)
    row = (await session.execute(query, {"deployment_id": deployment_id})).one_or_none()
    if row is None or row[0] is None:
        raise not_found("written Dockerfile of deployment", deployment_id)
    text: str = row[0]
    return text


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
        commit=row.commit,
        commit_message=row.commit_message,
        ref=row.ref,
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
            "logs": f"/api/v1/deployments/{row.id}/logs",
        },
    )
