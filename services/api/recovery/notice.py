"""At the start it is seen whether the bus holds what this database has never wished."""

import structlog

from libs.common.bus import Bus
from services.api.db.database import Database
from services.api.recovery import mode
from services.api.recovery.differences import compare, on_bus, read_rows

logger = structlog.get_logger()


async def notice(db: Database, bus: Bus) -> None:
    """Begin recovery mode where the bus knows more. Containers that know more are the runtime's to find. Raises `BusAway`."""
    picture = await on_bus(bus, db.epoch)
    found = [one for one in compare(await read_rows(db), picture, db.epoch) if one.kind in {"newer", "unknown"}]
    if not found:
        return
    named = ", ".join(one.slug for one in found[:5])
    reason = f"The bus knows {len(found)} apps better than the database ({named}): it was put back from a backup."
    async with db.begin() as tx:
        if await mode.begin(tx, reason):
            tx.record("system.recovery_needed", reason, level="error")
            logger.error("recovery.needed", reason=reason)
