"""When a candidate has failed, and by which code. Pure."""

from libs.common.states import ReplicaState
from services.runtime.clock import Now
from services.runtime.replica import Replica
from services.runtime.routes import is_healthy
from services.runtime.seen import Seen
from services.runtime.steps import FailCandidate, Step, Wait
from services.runtime.targets import Target, members

ROUTE_SECONDS = 30.0
"""How long past its start period a candidate may wait for routers: one that restarts must not fail a deploy."""

_SIGNALS = {137, 143}
_TRIES = 2
_ALIVE_PERIOD = 60.0


def failing(seen: Seen, targets: tuple[Target, ...], now: Now) -> list[Step]:
    """Return one `FailCandidate` when it has, else a `Wait` for the moment at which it would have."""
    target = next((target for target in targets if target.candidate), None)
    if target is None:
        return []
    release = target.release.number
    if seen.trouble is not None and seen.trouble.release == release:
        return [FailCandidate(release, seen.trouble.code, seen.trouble.message)]
    waits: list[Step] = []
    for replica in members(target, seen).values():
        step = _of_replica(replica, target, seen, now)
        if isinstance(step, FailCandidate):
            return [step]
        waits += [step] if step else []
    return _of_route(target, seen, now) or waits


def _of_replica(replica: Replica, target: Target, seen: Seen, now: Now) -> Step | None:
    release = target.release.number
    if replica.start_error:
        return FailCandidate(release, "container_start_failed", _not_started(replica), replica.id)
    if replica.stopped and not replica.leaving:
        return None if excused(replica) else FailCandidate(release, *_exit(replica), replica.id)
    paused = replica.state == ReplicaState.PAUSED
    if replica.up_since is None or not (paused or (replica.running and not is_healthy(replica, seen))):
        return None
    period = target.release.health_check.start_period_seconds if replica.key.is_web else _ALIVE_PERIOD
    until = replica.up_since + period
    if now.engine < until:
        return Wait(until, f"{replica.key} must be healthy by then")
    if replica.oom:
        message = f"{_name(replica)} ran out of memory and was not healthy within {period:g} seconds."
        return FailCandidate(release, "out_of_memory", message, replica.id)
    why = "somebody paused its container" if paused else replica.probe_error or "no probe succeeded"
    message = f"{_name(replica)} was not healthy within {period:g} seconds: {why}."
    return FailCandidate(release, "health_check_failed", message, replica.id)


def _not_started(replica: Replica) -> str:
    what = "it" if replica.key.is_web else f"the process {replica.key.process}"
    return f"The engine did not start {what}: {replica.start_error}"


def _name(replica: Replica) -> str:
    """How a sentence about it begins; of `web` it is the release as a whole."""
    return "It" if replica.key.is_web else f"The process {replica.key.process}"


def _exit(replica: Replica) -> tuple[str, str]:
    if replica.oom:
        return "out_of_memory", f"{_name(replica)} was killed for using more memory than its limit (exit code {replica.exit_code})."
    return "container_exited", f"{_name(replica)} exited with code {replica.exit_code} before it was live."


def excused(replica: Replica) -> bool:
    """The engine's restart, or somebody's signal, ended it: not its own doing, so it is started again, once for a signal."""
    return replica.excused or (killed(replica) and replica.starts < _TRIES)


def killed(replica: Replica) -> bool:
    return replica.exit_code in _SIGNALS and not replica.oom


def _of_route(target: Target, seen: Seen, now: Now) -> list[Step]:
    if seen.routed_since is None or target.release.number in seen.proved:
        return []
    seconds = target.release.health_check.start_period_seconds + ROUTE_SECONDS
    until = seen.routed_since + seconds
    if now.engine < until:
        return [Wait(until, "the proxy must answer by then")]
    why = "no answer of it came through the proxy" if seen.routers else "no router is alive"
    return [FailCandidate(target.release.number, "route_failed", f"It is healthy, but {why} within {seconds:g} seconds.")]
