"""When a container of an app that sleeps is stopped. Pure."""

from services.runtime.clock import Now
from services.runtime.replica import Health, Replica
from services.runtime.routes import drained_in
from services.runtime.seen import Seen
from services.runtime.steps import PutToSleep, Step, Wait
from services.runtime.targets import Target


def lay_down(replica: Replica, target: Target, seen: Seen, now: Now) -> list[Step]:
    """Stop what runs once it is drained; one that is paused, or that a pause waits for, stays as it is. What comes up nobody pauses."""
    is_paused = replica.paused or (replica.running and target.frozen and replica.health != Health.STARTING)
    if is_paused or (replica.resting and not replica.running):
        return []
    if not seen.may_remove:
        return [Wait(0, "the bus is away: no request could wake it")]
    if (until := _up_by(replica, target)) > now.engine:
        return [Wait(until, f"{replica.key} comes up: whoever woke it asks again, for a request waits")]
    seconds = drained_in(replica, seen, now) if replica.running else 0
    return [PutToSleep(replica.id)] if seconds == 0 else [drains(replica, seconds, now)]


def _up_by(replica: Replica, target: Target) -> float:
    """When what is starting has had its time; 0 for what is not."""
    if not replica.running or replica.resting or replica.health != Health.STARTING or replica.up_since is None:
        return 0
    return replica.up_since + target.release.health_check.start_period_seconds


def drains(replica: Replica, seconds: float, now: Now) -> Wait:
    """Its sessions are waited for, so many seconds at most; infinity: until something changes."""
    return Wait(0 if seconds == float("inf") else now.engine + seconds, f"{replica.key} drains")
