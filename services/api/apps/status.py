"""One pure function: from what is wanted, what happened and what was seen, to the `status` that people read."""

import msgspec

from libs.common.clock import parse
from libs.common.messages.api import WEB
from libs.common.states import ENDED, AppStatus, DeploymentStatus, Intent


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One container by its last event: `state` is the event's name (`started`, `healthy`, `unhealthy`, `died`, …)."""

    name: str
    release: int
    state: str
    at: str
    message: str = ""
    process: str = WEB


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the last sync saw of an app: the engine's word for each container by name, and the MB that each of `web` used.

    `beside`: the most MB that a replica of each other process used. `source` and `number` order the syncs.
    """

    at: str
    engine_ok: bool = True
    states: dict[str, str] = {}
    memory: dict[str, float] = {}
    beside: dict[str, float] = {}
    source: str = ""
    number: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a status is derived from.

    `op` is the lifecycle call that is under way: `start`, `stop`, `restart`, `pause`, `unpause` or None.

    `refused` is the engine's reason for not taking the limits.
    """

    intent: Intent
    current_release: int | None
    newest_deployment: DeploymentStatus | None
    deploying: bool
    wanted: int
    op: str | None = None
    refused: str | None = None
    replicas: tuple[Replica, ...] = ()
    seen: Seen | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`status`, `status_reason`, `status_detail` of the contract, and how many replicas of `web` run."""

    status: AppStatus
    reason: str | None = None
    detail: str | None = None
    running: int = 0


_ALIVE = frozenset({"started", "healthy", "unhealthy"})
_DOWN = frozenset({"exited", "dead", "removing", "created", "restarting"})


def derive_status(facts: Facts) -> Status:
    """The newest word on each replica decides, whether it is an event's or the sync's. The status is that of `web`."""
    replicas = _newest(facts)
    alive = [replica.process for replica in replicas if replica.state in _ALIVE]
    running = alive.count(WEB)
    if facts.intent is Intent.DELETED:
        return _answer(AppStatus.RUNNING if alive else AppStatus.STOPPED, "deleting", "The app is being removed.", running)
    if facts.current_release is None:
        return _before_first_release(facts, running)
    if facts.intent is Intent.STOPPED:
        return _stopped(facts, running, is_empty=not alive)
    if facts.intent is Intent.PAUSED:
        return _paused(facts, running)
    if facts.seen is not None and not facts.seen.engine_ok and _is_newest(facts.seen.at, facts.replicas):
        return _unreachable(running)
    return _serving(facts, replicas, running)


def _newest(facts: Facts) -> list[Replica]:
    """Each replica by the newer word on it. One that the engine did not list is gone, unless it was heard of since."""
    seen = facts.seen
    if seen is None or not seen.engine_ok:
        return list(facts.replicas)
    merged = []
    for replica in facts.replicas:
        state = seen.states.get(replica.name)
        if not _is_newest(seen.at, (replica,)):
            merged.append(replica)
        elif state is not None:
            merged.append(_corrected(replica, state))
    return merged


def _corrected(replica: Replica, engine_state: str) -> Replica:
    if engine_state == "paused" and replica.state in _ALIVE:
        return msgspec.structs.replace(replica, state="paused")
    if engine_state in _DOWN and replica.state in _ALIVE:
        return msgspec.structs.replace(replica, state="died")
    if engine_state == "running" and replica.state in {"died", "oom_killed", "slept"}:
        return msgspec.structs.replace(replica, state="started")
    return replica


def _is_newest(at: str, replicas: tuple[Replica, ...]) -> bool:
    return all(parse(replica.at) <= parse(at) for replica in replicas)


def _answer(status: AppStatus, reason: str | None, detail: str | None, running: int) -> Status:
    return Status(status=status, reason=reason, detail=detail, running=running)


def _before_first_release(facts: Facts, running: int) -> Status:
    newest = facts.newest_deployment
    if facts.deploying or (newest is not None and newest not in ENDED):
        return _answer(AppStatus.STARTING, None, "The first deployment is under way.", running)
    if newest is DeploymentStatus.FAILED:
        return _answer(AppStatus.STOPPED, "deploy_failed", "Nothing runs: the last deployment failed.", running)
    return _answer(AppStatus.STOPPED, "never_deployed", "The app was not deployed yet.", running)


def _stopped(facts: Facts, running: int, *, is_empty: bool) -> Status:
    if facts.deploying:
        return _answer(AppStatus.STARTING, None, "A deployment is under way; the app runs again once it is live.", running)
    if not is_empty:
        return _answer(AppStatus.RUNNING, None, "The app is being stopped.", running)
    return _answer(AppStatus.STOPPED, "stopped_by_user", "The app was stopped.", 0)


def _paused(facts: Facts, running: int) -> Status:
    if facts.op == "pause":
        return _answer(AppStatus.RUNNING, None, "The app is being paused.", running)
    return _answer(AppStatus.PAUSED, None, "The app was paused; its open connections go on when it is unpaused.", 0)


def _unreachable(running: int) -> Status:
    status = AppStatus.RUNNING if running else AppStatus.STARTING
    return _answer(status, "engine_unreachable", "The engine does not answer; this is what was last known.", running)


def _serving(facts: Facts, replicas: list[Replica], running: int) -> Status:
    current = [replica for replica in replicas if replica.release == facts.current_release]
    states = [replica.state for replica in current if replica.process == WEB]
    healthy = states.count("healthy")
    if looping := [replica for replica in current if replica.process == WEB and replica.state == "crash_looping"]:
        detail = looping[0].message or "The app dies again and again; each new start waits longer."
        return _answer(AppStatus.RUNNING if healthy else AppStatus.RESTARTING, "crash_loop", detail, running)
    if facts.op == "restart":
        return _answer(AppStatus.RESTARTING, None, "The replicas are being replaced.", running)
    found = _by_states(facts, states, running)
    return _beside(found, current) if found.status is AppStatus.RUNNING and found.reason is None else found


def _beside(found: Status, current: list[Replica]) -> Status:
    """`web` is well: what is to be said of the other processes."""
    looping = next((replica for replica in current if replica.process != WEB and replica.state == "crash_looping"), None)
    if looping is None:
        return found
    detail = f"The process {looping.process} dies again and again; what takes requests runs. {looping.message}".rstrip()
    return _answer(AppStatus.RUNNING, "crash_loop", detail, found.running)


def _by_states(facts: Facts, states: list[str], running: int) -> Status:
    if "paused" in states:
        return _standing_still(facts, states, running)
    if "unhealthy" in states:
        detail = f"{states.count('unhealthy')} of {len(states)} replicas fail the health check."
        return _answer(AppStatus.RUNNING, "unhealthy", detail, running)
    if "healthy" in states:
        return _answer(AppStatus.RUNNING, None, facts.refused, running)
    if "slept" in states:
        return _sleeping(facts, running)
    if "died" in states or "oom_killed" in states:
        return _answer(AppStatus.RESTARTING, None, "No replica runs; new ones are being started.", running)
    return _answer(AppStatus.STARTING, None, "The replicas are being started.", running)


def _sleeping(facts: Facts, running: int) -> Status:
    if facts.op == "start":
        return _answer(AppStatus.STARTING, None, "The app is being woken.", running)
    return _answer(AppStatus.STOPPED, "sleeping", "The app sleeps, for nobody asked it anything; the next request wakes it.", running)


def _standing_still(facts: Facts, states: list[str], running: int) -> Status:
    """Somebody paused containers in the engine."""
    if facts.op == "unpause":
        return _answer(AppStatus.STARTING, None, "The app is being unpaused.", running)
    detail = f"{states.count('paused')} of {len(states)} replicas are paused in the engine; unpause has them go on."
    return _answer(AppStatus.RUNNING if "healthy" in states else AppStatus.PAUSED, None, detail, running)
