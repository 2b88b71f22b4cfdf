"""Cancelling one deployment."""

from libs.common.states import DeploymentStatus
from services.api.apps import lookup
from services.api.apps.desired import desire
from services.api.apps.observed import refresh
from services.api.db.tx import Tx
from services.api.deployments import service
from services.api.deployments.models import DeploymentRow
from services.api.deployments.moves import UNDER_WAY, begin_next, cancel
from services.api.deployments.schemas import Deployment
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.settings import Settings


async def cancel_one(tx: Tx, principal: Principal, deployment_id: str, settings: Settings) -> Deployment:
    """End it; cancelled already is fine. `404`, and `409 deployment_ended` for one that came to another end, with `deployment`."""
    found = await service.get(tx.session, principal, deployment_id, settings)
    app = await lookup.to_change(tx, principal, found.app_id, "deploy")
    row = await tx.session.get_one(DeploymentRow, deployment_id, populate_existing=True)
    if row.status in UNDER_WAY:
        cancel(tx, app, row, "somebody cancelled it")
        await tx.flush()
        await begin_next(tx, app)
        await refresh(tx, app)
        desire(tx, app)
    view = service.to_view(row, found.image or "", app.slug, settings)
    if row.status != DeploymentStatus.CANCELLED:
        raise Problem("deployment_ended", f"Deployment {row.number} is {row.status}.", deployment=view)
    return view
