"""Going back to a release that was live."""

import msgspec
from sqlalchemy import select

from libs.common import clock
from libs.common.states import DeploymentStatus
from services.api.apps.fits import admit, claim
from services.api.apps.models import AppRow
from services.api.apps.processes import bring
from services.api.apps.source import decode, restore
from services.api.apps.view import fingerprint_of
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.deployments import service
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import processes_of
from services.api.deployments.retention import image_is_kept
from services.api.deployments.schemas import Deployment
from services.api.deployments.source import Restored
from services.api.http.problems import Problem, not_found
from services.api.volumes import service as volumes


async def roll_back(tx: Tx, core: Core, app: AppRow, deployment_id: str | msgspec.UnsetType, actor: str) -> Deployment:
    """Give the app the image, settings, env and source of a release that was live, and deploy that as a new one.

    `409 nothing_to_roll_back_to`, `409 image_not_kept`, `409 volume_one_writer`, `409 quota_exceeded` where it brings processes back;
    `404` for a deployment that is none of this app.
    """
    target = await _before(tx, app) if isinstance(deployment_id, msgspec.UnsetType) else await _named(tx, app, deployment_id)
    release = await tx.session.get_one(ReleaseRow, (app.id, target.number))
    if not image_is_kept(release):
        raise Problem("image_not_kept", f"The image of deployment {target.number} is not kept.")
    claimed = claim(app)
    app.image, app.settings, app.env = release.image, release.settings, release.env
    app.env_keys = msgspec.json.encode(sorted(core.vault.open(release.env, dict[str, str]))).decode()
    restore(app, decode(release.source))
    await volumes.restored(tx, app)
    app.fingerprint, app.updated_at = fingerprint_of(app), clock.now()
    bring(app, processes_of(release))
    await admit(tx, app, claimed, core.settings)
    return await service.deploy(tx, app, actor, core.settings, restores=Restored(target, release))


async def _before(tx: Tx, app: AppRow) -> DeploymentRow:
    """The last one that was live before the current one."""
    query = select(DeploymentRow).where(DeploymentRow.app_id == app.id, DeploymentRow.status == DeploymentStatus.LIVE.value)
    live = list((await tx.session.execute(query.order_by(DeploymentRow.number.desc()).limit(2))).scalars())
    if len(live) < 2:  # noqa: PLR2004 - the current one and the one before it
        raise Problem("nothing_to_roll_back_to", f"{app.slug} had no other live deployment before the current one.")
    return live[1]


async def _named(tx: Tx, app: AppRow, deployment_id: str) -> DeploymentRow:
    row = await tx.session.get(DeploymentRow, deployment_id)
    if row is None or row.app_id != app.id:
        raise not_found("deployment", deployment_id)
    if row.status != DeploymentStatus.LIVE:
        raise Problem("nothing_to_roll_back_to", f"Deployment {row.number} was never live: it is {row.status}.")
    return row
