"""What follows when the runtime finds that the database is older than what runs."""

from sqlalchemy import select

from libs.common.messages.runtime import AppAhead, StrayFound
from services.api.apps.models import AppRow
from services.api.reactions.scene import Line, Scene
from services.api.recovery import mode


async def app_ahead(scene: Scene, event: AppAhead) -> Line | None:
    app = await scene.app(event.app_id)
    if app is None or (event.epoch, event.revision) <= (scene.tx.epoch, app.revision):
        return None
    reason = f"The containers of {app.slug} are newer than the database: it was put back from a backup."
    return await _begin(scene, reason, event.app_id, app.project_id)


async def stray_found(scene: Scene, event: StrayFound) -> Line | None:
    """Containers of an app that this database never heard of; those of one that is gone are for `dockup doctor`."""
    known = (await scene.tx.connection.execute(select(AppRow.id).where(AppRow.id == event.app_id))).first()
    if known is not None:
        return None
    reason = f"{len(event.containers)} containers belong to an app ({event.app_id}) that the database never heard of."
    return await _begin(scene, reason, event.app_id, None)


async def _begin(scene: Scene, reason: str, app_id: str, project_id: str | None) -> Line | None:
    if not await mode.begin(scene.tx, reason):
        return None
    return Line(type="system.recovery_needed", message=reason, project_id=project_id, level="error", data={"app_id": app_id})
