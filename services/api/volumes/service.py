"""What happens to volumes. Functions that take a `Tx` are the inside of one transaction, the app's row locked."""

import time

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock, ids
from libs.common.messages.api import Mount
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import UNDER_WAY
from services.api.http.problems import FieldError, Problem, not_found
from services.api.volumes import mounts, schedules
from services.api.volumes.grammar import MOST_VOLUMES, check_name, check_path, check_place
from services.api.volumes.models import VolumeRow
from services.api.volumes.schemas import UNSET, NewVolume, Volume, VolumeUpdate
from services.api.volumes.wish import set_wish, wish_of

_READ_ONLY = ("id", "name", "created_at", "app_id")


async def create(tx: Tx, app: AppRow, body: NewVolume) -> VolumeRow:
    """Attach a new volume, or one whose data is there still, from the next deploy on.

    `409 volume_exists`, `409 volume_purging`, `409 mount_path_taken`, `409 volume_one_writer`, `409 quota_exceeded`.
    """
    name, path = check_name(body.name), check_path(body.mount_path)
    found = await _kept(tx, app, name, None if isinstance(body.adopt, msgspec.UnsetType) else body.adopt)
    row = found or new_row(app, name)
    row.app_id, row.name, row.mount_path, row.shared = app.id, name, path, body.shared
    _attach(app, row)
    tx.session.add(row)
    what = "attached" if found else "created"
    message = f"The volume {name} was {what}; the next deploy mounts it at {path}."
    record(tx, row, f"volume.{what}", message)
    await tx.flush()
    return row


def new_row(app: AppRow, name: str) -> VolumeRow:
    """A volume without data, with an id of its own."""
    return VolumeRow(
        id=ids.new("vol"),
        project_id=app.project_id,
        name=name,
        copy=1,
        size_bytes=None,
        measured_at=None,
        purging=False,
        backup=None,
        backup_at=None,
        backup_last=None,
        created_at=clock.now(),
    )


def _attach(app: AppRow, row: VolumeRow) -> None:
    there = mounts.of(app)
    if len(there) >= MOST_VOLUMES:
        raise Problem("quota_exceeded", f"{app.slug} has {len(there)} volumes; an app may have {MOST_VOLUMES}.")
    check_place(row.mount_path, there)
    mounts.put(app, (*there, Mount(volume=row.id, name=row.name, path=row.mount_path, shared=row.shared)))
    mounts.check_one_writer(app)
    app.updated_at = clock.now()


async def _kept(tx: Tx, app: AppRow, name: str, adopt: str | None) -> VolumeRow | None:
    """The volume whose data is meant, if there is one: the app's own, a deleted app's of the same slug, or the one that is named."""
    own = (await tx.session.execute(select(VolumeRow).where(VolumeRow.app_id == app.id, VolumeRow.name == name))).scalar_one_or_none()
    if own is not None and own.id != (adopt or own.id):
        raise Problem("volume_exists", f"{app.slug} has another volume {name}.")
    row = own or await _orphan(tx, app, name, adopt)
    if row is None:
        return None
    if row.purging:
        raise Problem("volume_purging", f"The data of the volume {row.name} is being destroyed.")
    if any(mount.volume == row.id for mount in mounts.of(app)):
        raise Problem("volume_exists", f"{app.slug} has the volume {name} already.")
    if row.app_id != app.id and row.copy > 1:
        _note_copy(tx, app, row)
    return row


async def _orphan(tx: Tx, app: AppRow, name: str, adopt: str | None) -> VolumeRow | None:
    """A volume of a deleted app of the project: of one that had this slug, or the one that is named."""
    query = _of_gone(app.project_id)
    query = query.where(VolumeRow.id == adopt) if adopt else query.where(AppRow.slug == app.slug, VolumeRow.name == name)
    query = held(query.order_by(VolumeRow.id.desc()).limit(1), VolumeRow)
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None and adopt:
        raise not_found("volume of a deleted app", adopt)
    return row


def _of_gone(project_id: str) -> Select[VolumeRow]:
    return (
        select(VolumeRow)
        .join(AppRow, AppRow.id == VolumeRow.app_id)
        .where(VolumeRow.project_id == project_id, AppRow.gone_at.is_not(None), VolumeRow.purging.is_(False))
    )


def _note_copy(tx: Tx, app: AppRow, row: VolumeRow) -> None:
    """Tell the runtime which copy of it is its data."""
    wish = wish_of(app)
    set_wish(app, msgspec.structs.replace(wish, copies={**wish.copies, row.id: row.copy}))
    desire(tx, app)


async def update(tx: Tx, app: AppRow, row: VolumeRow, body: VolumeUpdate) -> list[str]:
    """Merge `body` into the volume; return what changed, which counts from the next deploy on. `409 volume_purging`."""
    _check_read_only(row, body)
    if row.purging:
        raise Problem("volume_purging", f"The data of the volume {row.name} is being destroyed.")
    path = row.mount_path if isinstance(body.mount_path, msgspec.UnsetType) else check_path(body.mount_path)
    shared = row.shared if isinstance(body.shared, msgspec.UnsetType) else body.shared
    changed = [name for name, new in (("mount_path", path), ("shared", shared)) if getattr(row, name) != new]
    row.mount_path, row.shared = path, shared
    there = mounts.of(app)
    moved = bool(changed)
    changed += schedules.merge(row, body.backup, time.time())
    if moved and any(mount.volume == row.id for mount in there):
        mounts.put(app, tuple(mount for mount in there if mount.volume != row.id))
        _attach(app, row)
    if changed:
        record(tx, row, "volume.updated", f"The volume {row.name} was changed: {', '.join(changed)}.")
    await tx.flush()
    return changed


def _check_read_only(row: VolumeRow, body: VolumeUpdate) -> None:
    wrong = [name for name in _READ_ONLY if getattr(body, name) not in (UNSET, getattr(row, name))]
    if wrong:
        errors = [FieldError(pointer=f"/{name}", detail="is read-only") for name in wrong]
        raise Problem("read_only_field", f"{', '.join(wrong)}: read-only.", errors=errors)


async def detach(tx: Tx, app: AppRow, row: VolumeRow) -> None:
    """No deploy from the next one on mounts it; its data is kept. Twice is as good as once."""
    there = mounts.of(app)
    left = tuple(mount for mount in there if mount.volume != row.id)
    if left == there:
        return
    mounts.put(app, left)
    app.updated_at = clock.now()
    record(tx, row, "volume.detached", f"The volume {row.name} was detached; its data is kept.")
    await tx.flush()


async def get(session: AsyncSession, app: AppRow, volume_id: str | None, name: str | None = None) -> VolumeRow:
    """One of the app's volumes by id or name; `404`."""
    by = VolumeRow.id == volume_id if name is None else VolumeRow.name == name
    row = (await session.execute(select(VolumeRow).where(VolumeRow.app_id == app.id, by))).scalar_one_or_none()
    if row is None:
        raise not_found("volume", volume_id or name or "")
    return row


async def page(session: AsyncSession, app: AppRow, limit: int, cursor: str | None) -> list[VolumeRow]:
    """The app's volumes in the order in which they were made, one more than `limit`."""
    query = select(VolumeRow).where(VolumeRow.app_id == app.id).order_by(VolumeRow.id).limit(limit + 1)
    query = query.where(VolumeRow.id > cursor) if cursor else query
    return list((await session.execute(query)).scalars())


async def names(tx: Tx, app: AppRow) -> list[str]:
    """Of the volumes whose data is there."""
    query = select(VolumeRow.name).where(VolumeRow.app_id == app.id, VolumeRow.purging.is_(False)).order_by(VolumeRow.id)
    return list((await tx.connection.execute(query)).scalars())


async def is_in_use(tx: Tx, app: AppRow, volume_id: str) -> bool:
    """Whether a container has it mounted, or a release that is to have one."""
    if any(mount.volume == volume_id for mount in mounts.running(app)):
        return True
    waiting = (
        select(ReleaseRow.settings)
        .join(DeploymentRow, (DeploymentRow.app_id == ReleaseRow.app_id) & (DeploymentRow.number == ReleaseRow.number))
        .where(ReleaseRow.app_id == app.id, DeploymentRow.status.in_(UNDER_WAY))
    )
    found = (await tx.connection.execute(waiting)).scalars()
    return any(mount.volume == volume_id for settings in found for mount in mounts.of_settings(settings))


async def restored(tx: Tx, app: AppRow) -> None:
    """The settings of an older release are the app's again: of its volumes those that the app has still are."""
    wanted = mounts.of(app)
    query = select(VolumeRow).where(VolumeRow.app_id == app.id, VolumeRow.id.in_([mount.volume for mount in wanted]))
    rows = {row.id: row for row in (await tx.session.execute(query)).scalars() if not row.purging} if wanted else {}
    for mount in wanted:
        if (row := rows.get(mount.volume)) is not None:
            row.mount_path, row.shared = mount.path, mount.shared
    if len(rows) < len(wanted):
        mounts.put(app, tuple(mount for mount in wanted if mount.volume in rows))
    mounts.check_one_writer(app)


def to_view(row: VolumeRow, app: AppRow) -> Volume:
    attached = app.gone_at is None and any(mount.volume == row.id for mount in mounts.of(app))
    last = schedules.last_of(row)
    return Volume(
        id=row.id,
        name=row.name,
        mount_path=row.mount_path,
        size_bytes=row.size_bytes,
        created_at=row.created_at,
        app_id=row.app_id,
        shared=row.shared,
        state="purging" if row.purging else "attached" if attached else "detached",
        in_use=app.gone_at is None and any(mount.volume == row.id for mount in mounts.running(app)),
        measured_at=row.measured_at,
        backup=schedules.of(row),
        last_backup_at=last.at if last else None,
        last_backup_error=(last.error or None) if last else None,
        links={"self": f"/api/v1/apps/{row.app_id}/volumes/{row.id}", "app": f"/api/v1/apps/{row.app_id}"},
    )


def record(tx: Tx, row: VolumeRow, kind: str, message: str, *, level: str = "info") -> None:
    """Say what happened to a volume."""
    data: dict[str, object] = {"volume_id": row.id, "name": row.name, "mount_path": row.mount_path}
    tx.record(kind, message, app_id=row.app_id, project_id=row.project_id, level=level, data=data)
