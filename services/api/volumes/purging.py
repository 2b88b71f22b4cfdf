"""Destroying data: only what nothing has mounted, only when it was asked for, and the runtime proves it."""

from collections import defaultdict

import msgspec
from sqlalchemy import select

from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.volumes import service
from services.api.volumes.models import VolumeRow
from services.api.volumes.wish import set_wish, wish_of


async def purge(tx: Tx, app: AppRow, row: VolumeRow) -> None:
    """Begin to destroy the data of a volume, which nothing mounts; `409 volume_in_use`. Twice is as good as once."""
    if row.purging:
        return
    if app.gone_at is None:
        if await service.is_in_use(tx, app, row.id):
            raise Problem("volume_in_use", f"{app.slug} has the volume {row.name} mounted.")
        await service.detach(tx, app, row)
    _begin(tx, app, [row])
    desire(tx, app)


async def purge_all(tx: Tx, app: AppRow) -> bool:
    """The app is to go, and all of its data with it. Whether there was any; the caller tells the runtime."""
    query = select(VolumeRow).where(VolumeRow.app_id == app.id, VolumeRow.purging.is_(False))
    rows = list((await tx.session.execute(query)).scalars())
    _begin(tx, app, rows)
    return bool(rows)


async def check_or_purge(tx: Tx, project_id: str, *, purge: bool) -> None:
    """The project is to go: data of it that nobody would find any more is purged, or keeps it, `409 project_not_empty`.

    Its apps are held already; those that are gone and left data are held here.
    """
    query = select(VolumeRow, AppRow).join(AppRow, AppRow.id == VolumeRow.app_id).where(VolumeRow.project_id == project_id)
    kept = (await tx.session.execute(held(query.where(VolumeRow.purging.is_(False)).order_by(AppRow.id)))).all()
    if kept and not purge:
        hint = "Purge them (GET /api/v1/projects/{id}/volumes lists them), or send purge_volumes=true."
        raise Problem("project_not_empty", f"The project has the data of {len(kept)} volumes.", hint=hint)
    left: dict[str, list[VolumeRow]] = defaultdict(list)
    apps = {app.id: app for _, app in kept if app.gone_at is not None}
    for volume, app in kept:
        left[app.id].append(volume)
    for app_id, app in apps.items():
        _begin(tx, app, left[app_id])
        desire(tx, app)


def _begin(tx: Tx, app: AppRow, rows: list[VolumeRow]) -> None:
    wish = wish_of(app)
    for row in rows:
        row.purging, row.backup_at = True, None
        service.record(tx, row, "volume.purging", f"The data of the volume {row.name} is being destroyed.")
    set_wish(app, msgspec.structs.replace(wish, purge=tuple(dict.fromkeys((*wish.purge, *(row.id for row in rows))))))


async def until_purged(core: Core, volume_id: str, seconds: float) -> bool:
    """Whether the data was gone within `seconds`."""

    async def gone() -> bool | None:
        async with core.db.connect() as connection:
            found = (await connection.execute(select(VolumeRow.id).where(VolumeRow.id == volume_id))).first()
        return True if found is None else None

    return bool(await core.wakes.until(volume_id, seconds, gone))
