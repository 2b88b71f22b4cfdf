"""Volumes of a database that was put back: their data is where the engine has it, whatever won."""

import msgspec
from sqlalchemy import select

from libs.common.messages.api import Desired, Mount
from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.volumes.models import VolumeRow
from services.api.volumes.service import new_row
from services.api.volumes.wish import Wish, set_wish, wish_of


async def take_over(tx: Tx, app: AppRow, wish: Desired) -> None:
    """What runs wins: the database has a row for each volume that it mounts, and what was being destroyed is."""
    set_wish(app, Wish(copies=wish.copies, purge=wish.purge))
    for mount in wish.current.volumes if wish.current else ():
        row = await tx.session.get(VolumeRow, mount.volume) or await _made(tx, app, mount)
        row.app_id, row.mount_path, row.shared = app.id, mount.path, mount.shared
        row.copy = wish.copies.get(mount.volume, 1)
    for volume in wish.purge:
        if (known := await tx.session.get(VolumeRow, volume)) is not None:
            known.purging = True
    await tx.flush()


async def _made(tx: Tx, app: AppRow, mount: Mount) -> VolumeRow:
    """A row for data that the database never heard of; where another has that name now, it is called by its id."""
    named = select(VolumeRow.id).where(VolumeRow.app_id == app.id, VolumeRow.name == mount.name)
    is_taken = (await tx.connection.execute(named)).first() is not None
    row = new_row(app, mount.volume[-12:] if is_taken else mount.name)
    row.id = mount.volume
    tx.session.add(row)
    return row


async def keep_copies(tx: Tx, app: AppRow, wish: Desired | None) -> None:
    """The database wins, but of a volume that was restored since only the later copy is there: that is its data."""
    for volume, copy in wish.copies.items() if wish else ():
        row = await tx.session.get(VolumeRow, volume)
        if row is None or row.app_id != app.id or row.copy >= copy:
            continue
        row.copy = copy
        known = wish_of(app)
        set_wish(app, msgspec.structs.replace(known, copies={**known.copies, volume: copy}))
