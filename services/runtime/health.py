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
    count = sum(len(entries) for entries in fleet.lookout.strays.values())
    if why := _passed_over(fleet):
        return "degraded", why
    return "ok", f"{count} containers belong to no known app; they are left alone." if count else ""


def _passed_over(fleet: Fleet) -> str:
    """What cannot be read, of the bus or of the engine, and is left as it is."""
    if unread := fleet.world.unread():
        return f"{len(unread)} entries of the bus cannot be read and are passed over: {unread[0]}"
    if unseen := fleet.lookout.unseen:
        app_id, why = next(iter(unseen.items()))
        return f"The Docker Engine does not tell about containers of {len(unseen)} apps: {app_id}: {why}"
    return ""
