"""Which releases keep their images: what a rollback may go back to, and what the builder may take away."""

from sqlalchemy import Select, func, select, update

from libs.common.image_names import held_release
from libs.common.messages.builder import CollectImages
from libs.common.states import DeploymentStatus
from services.api.apps.models import AppRow
from services.api.apps.view import fingerprint_of
from services.api.db.tx import Tx
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import UPLOAD
from services.api.http.problems import Problem

_LEAST = 2
"""The release that is live and the one before it, which a rollback goes to by itself."""


def image_is_kept(release: ReleaseRow) -> bool:
    """Whether containers can still be made from the release: its image came, and was not given to be collected."""
    return release.image_id is not None and release.image_kept


async def check(tx: Tx, app: AppRow, *, has_own_image: bool) -> None:
    """`409 nothing_to_deploy` or `409 image_not_kept` unless there is an image to deploy, or one is made or known to be there."""
    if has_own_image:
        return
    if app.image is None:
        raise Problem("nothing_to_deploy", f"{app.slug} has neither an image nor a repository.")
    number = held_release(app.image, app.id)
    if number is None:
        return
    release = await tx.session.get(ReleaseRow, (app.id, number))
    if release is None or not image_is_kept(release):
        raise Problem("image_not_kept", f"{app.image} is not kept any more.")


def adopt(app: AppRow, deployment: DeploymentRow, release: ReleaseRow, at: str) -> None:
    """What was uploaded or built is the app's image from now on, unless somebody named another since it was asked for."""
    is_upload = deployment.trigger == UPLOAD and app.image == deployment.replaces
    is_built = deployment.source == "git" and app.git_repo_url is not None
    if is_upload or is_built:
        app.image, app.updated_at = release.image, at
        app.fingerprint = fingerprint_of(app)


async def collect_old(tx: Tx, app: AppRow, deployment: DeploymentRow) -> None:
    """`deployment` became live: mark the releases that lose their images by it, and have them taken away."""
    if app.release <= _LEAST:
        return
    await tx.flush()
    live = await tx.session.execute(_live(app.id, max(tx.keep_releases, _LEAST)))
    named = held_release(app.image, app.id)
    keep = {deployment.number, *live.scalars(), *([named] if named is not None else [])}
    late = (
        ReleaseRow.app_id == app.id,
        ReleaseRow.image_kept,
        ReleaseRow.image_id.is_not(None),
        ReleaseRow.number < max(keep),
        ReleaseRow.number.not_in(keep),
    )
    if not (await tx.session.execute(select(func.count()).select_from(ReleaseRow).where(*late))).scalar_one():
        return
    await tx.connection.execute(update(ReleaseRow).where(*late).values(image_kept=False))
    tx.send(CollectImages(command_id=f"{deployment.id}.collect", app_id=app.id, keep=tuple(sorted(keep))))


def _live(app_id: str, most: int) -> Select[int]:
    """The newest releases that were live."""
    query = select(DeploymentRow.number).where(DeploymentRow.app_id == app_id, DeploymentRow.status == DeploymentStatus.LIVE.value)
    return query.order_by(DeploymentRow.number.desc()).limit(most)
