"""What the runtime answers to a ping."""

from libs.common.bus import Bus
from services.runtime.fleet import Fleet


async def report(standing: list[Fleet], bus: Bus) -> tuple[str, str]:
    """`standing` holds the fleet once there is one: before that the engine has not answered yet."""
    if bus.refused:
        return "degraded", f"The bus refused: {bus.refused[-1]}"
    if not standing:
        return "degraded", "The Docker Engine does not answer."
    fleet = standing[0]
    if not fleet.active:
        return "standby", "Another runtime acts on this engine."
    if fleet.lookout.trouble:
        return "degraded", f"The Docker Engine does not answer: {fleet.lookout.trouble}"
    if unread := fleet.world.unread():
        return "degraded", f"{len(unread)} entries of the bus cannot be read and are passed over: {unread[0]}"
    count = sum(len(entries) for entries in fleet.lookout.strays.values())
    return "ok", f"{count} containers belong to no known app; they are left alone." if count else ""
