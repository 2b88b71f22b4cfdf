"""What follows from the runtime's word on volumes."""

import msgspec
from sqlalchemy import select

from libs.common.messages.runtime import VolumePurged
from services.api.apps.models import AppRow
from services.api.db.locks import held
from services.api.reactions.scene import Line, Scene
from services.api.volumes.models import VolumeRow
from services.api.volumes.wish import set_wish, wish_of


async def volume_purged(scene: Scene, event: VolumePurged) -> Line | None:
    """The data is gone, and with it the row. The app may have gone long ago: then its key goes with its last volume."""
    row = await scene.tx.session.get(VolumeRow, event.volume)
    if row is None or row.app_id != event.app_id or not row.purging:
        return None
    await scene.tx.session.delete(row)
    await scene.tx.flush()
    app = await scene.app(event.app_id)
    if app is not None:
        _strike(app, event.volume)
        scene.change(app)
    else:
        await _of_gone(scene, event)
    scene.wakes.add(event.volume)
    message = f"The data of the volume {row.name} is gone."
    data: dict[str, object] = {"volume_id": row.id, "name": row.name}
    return Line(type="volume.purged", message=message, project_id=row.project_id, app_id=row.app_id, data=data)


async def _of_gone(scene: Scene, event: VolumePurged) -> None:
    app = (await scene.tx.session.execute(held(select(AppRow).where(AppRow.id == event.app_id)))).scalar_one()
    _strike(app, event.volume)
    if not wish_of(app).purge:
        scene.tx.forget(app.id, (scene.tx.epoch, app.revision))


def _strike(app: AppRow, volume_id: str) -> None:
    wish = wish_of(app)
    copies = {volume: copy for volume, copy in wish.copies.items() if volume != volume_id}
    filling = {volume: copy for volume, copy in wish.filling.items() if volume != volume_id}
    purge = tuple(one for one in wish.purge if one != volume_id)
    set_wish(app, msgspec.structs.replace(wish, copies=copies, purge=purge, filling=filling))
