"""A volume's data becomes another: the copy that a restore made takes the place of the one before."""

import msgspec

from libs.common import clock
from libs.common.messages.archives import Filling, Restored
from libs.common.states import Intent
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.apps.observed import refresh
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.volumes import service
from services.api.volumes.models import VolumeRow
from services.api.volumes.wish import set_wish, wish_of


def begin(app: AppRow, row: VolumeRow) -> Filling:
    """The number of a copy that nothing else was ever written to. What an earlier restore makes cannot become the volume any more."""
    wish = wish_of(app)
    copy = max(row.copy, wish.filling.get(row.id, 0)) + 1
    set_wish(app, msgspec.structs.replace(wish, filling={**wish.filling, row.id: copy}))
    return Filling(copy=copy, current=row.copy)


async def swap(tx: Tx, app: AppRow, row: VolumeRow, copy: int, restored: Restored) -> int | None:
    """Have the volume be that copy; the revision at which what runs has it, None where nothing that is to run has it mounted.

    `409 conflict` when another restore began since.
    """
    wish = wish_of(app)
    if copy != wish.filling.get(row.id):
        raise Problem("conflict", f"Another restore of the volume {row.name} began meanwhile.")
    row.copy, row.size_bytes, row.measured_at = copy, restored.size_bytes, clock.now()
    left = {volume: number for volume, number in wish.filling.items() if volume != row.id}
    set_wish(app, msgspec.structs.replace(wish, copies={**wish.copies, row.id: copy}, filling=left))
    is_used = await service.is_in_use(tx, app, row.id)
    if is_used:
        app.restart += 1  # also of one that is stopped: a deploy of it may have begun with the copy before
    runs = is_used and app.intent != Intent.STOPPED
    if runs:
        app.op, app.op_revision = "restart", app.revision + 1
    message = f"The volume {row.name} was restored: {restored.files} files, {restored.size_bytes} bytes."
    service.record(tx, row, "volume.restored", message)
    await tx.flush()
    await refresh(tx, app)
    desire(tx, app)
    return app.revision if runs else None
