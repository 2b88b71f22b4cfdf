"""What volumes hold, as the engine counted it some minutes ago."""

from sqlalchemy import bindparam, select, update

from libs.common.messages.metrics import Observation
from services.api.db.tx import Tx
from services.api.volumes.models import VolumeRow

_KNOWN = select(VolumeRow.id, VolumeRow.copy, VolumeRow.measured_at)
_SET = (
    update(VolumeRow)
    .where(VolumeRow.id == bindparam("volume"))
    .values(size_bytes=bindparam("size"), measured_at=bindparam("at"))
    .execution_options(synchronize_session=False)
)


async def note_sizes(tx: Tx, observation: Observation) -> None:
    """Keep each count once; one of another copy, or from before a restore, says nothing of what is there now."""
    at = observation.volumes_at
    if not observation.volumes:
        return
    known = {row.id: row for row in (await tx.connection.execute(_KNOWN)).all()}
    new = [
        {"volume": seen.volume, "size": seen.size_bytes, "at": at}
        for seen in observation.volumes
        if (row := known.get(seen.volume)) is not None and row.copy == seen.copy and (row.measured_at or "") < at
    ]
    if new:
        await tx.connection.execute(_SET, new)
