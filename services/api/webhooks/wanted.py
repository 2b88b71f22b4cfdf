"""What of an app decides on a delivery, read from its rows."""

from sqlalchemy import select

from services.api.apps.models import AppRow
from services.api.apps.source import watch_paths_of
from services.api.db.tx import Tx
from services.api.previews import settings as preview_settings
from services.api.webhooks.events import Push, decoder
from services.api.webhooks.models import DeliveryRow
from services.api.webhooks.verdicts import Wanted


async def wanted_of(tx: Tx, app: AppRow, *, with_last: bool = False) -> Wanted:
    preview = preview_settings.of(app)
    return Wanted(
        repo=app.git_repo_url or "",
        branch=app.git_branch,
        watch_paths=watch_paths_of(app),
        auto_deploy=app.auto_deploy,
        deploy_tags=app.deploy_tags,
        previews=preview.enabled,
        forks=preview.forks,
        last=await _last(tx, app.id) if with_last else None,
    )


async def _last(tx: Tx, app_id: str) -> Push | None:
    """The push that was deployed last."""
    query = select(DeliveryRow.payload).where(DeliveryRow.app_id == app_id, DeliveryRow.deployment_id.is_not(None))
    payload = (await tx.connection.execute(query.order_by(DeliveryRow.id.desc()).limit(1))).scalar_one_or_none()
    said = decoder.decode(payload) if payload else None
    return said if isinstance(said, Push) else None
