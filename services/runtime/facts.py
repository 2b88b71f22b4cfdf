"""The events of the runtime, each with an id that is made from the fact: saying it again is harmless. Pure."""

import msgspec

from libs.common import clock
from libs.common.messages.api import Desired, Release
from libs.common.messages.failure import Failure
from libs.common.messages.runtime import (
    AppAhead,
    AppRemoved,
    LimitsRefused,
    ReleaseFailed,
    ReleaseLive,
    ReplicaCrashLooping,
    ReplicaDied,
    ReplicaEvent,
    ReplicaHealthy,
    ReplicaOomKilled,
    ReplicaRemoved,
    ReplicaSlept,
    ReplicaStarted,
    ReplicaUnhealthy,
    ReplicaWoke,
    Settled,
    StrayFound,
    VolumePurged,
)
from services.runtime.deaths import Deaths
from services.runtime.replica import Health, Replica

_PHASES = ("release", "create", "start", "healthy", "routed")


def _event(
    kind: type[ReplicaEvent],
    app_id: str,
    replica: Replica,
    fact: str,
    *,
    at: str | None = None,
    message: str = "",
    exit_code: int | None = None,
) -> ReplicaEvent:
    return kind(
        event_id=f"{replica.id[:12]}.{fact}",
        at=clock.rfc3339(clock.parse(at)) if at else clock.now(),
        app_id=app_id,
        deployment_id=replica.deployment_id,
        release=replica.key.release,
        replica=replica.name,
        container_id=replica.id,
        process=replica.key.process,
        message=message,
        exit_code=exit_code,
    )


def of_life(app_id: str, replica: Replica) -> list[ReplicaEvent]:
    """Return that it started, and how its health is, nothing before the engine has told its start; or that it sleeps."""
    if replica.resting and not replica.running:
        return [_event(ReplicaSlept, app_id, replica, f"slept.{replica.started_at}", at=replica.finished_at)]
    if replica.started_at is None or not replica.running:
        return []
    found = [_event(ReplicaStarted, app_id, replica, f"started.{replica.started_at}", at=replica.started_at)]
    if replica.woken_by is not None:
        woke = _event(ReplicaWoke, app_id, replica, f"woke.{replica.started_at}", at=replica.started_at)
        found.append(msgspec.structs.replace(woke, by=replica.woken_by))
    fact = f"{replica.started_at}.{replica.flips}"
    if replica.health == Health.HEALTHY:
        found.append(_event(ReplicaHealthy, app_id, replica, f"healthy.{fact}", at=replica.healthy_at))
    if replica.health == Health.UNHEALTHY:
        found.append(_event(ReplicaUnhealthy, app_id, replica, f"unhealthy.{fact}", message=replica.probe_error))
    return found


def died(app_id: str, replica: Replica, life: str | None) -> ReplicaEvent:
    """Return that it ended. `life` is when it had started: the engine's event of a death has no `finished_at`, as `inspect` has it.

    That memory was the reason may turn out after the death was told: it is a fact of its own.
    """
    kind, what, name = (ReplicaOomKilled, "was killed for its memory", "oom") if replica.oom else (ReplicaDied, "exited", "died")
    message = f"{replica.key} {what} with code {replica.exit_code}."
    fact = f"{name}.{life or replica.finished_at}"
    return _event(kind, app_id, replica, fact, at=replica.finished_at, message=message, exit_code=replica.exit_code)


def vanished(app_id: str, replica: Replica) -> ReplicaEvent:
    return _event(ReplicaDied, app_id, replica, "vanished", message=f"{replica.key} vanished: its container was removed from outside.")


def crash_looping(app_id: str, replica: Replica, deaths: Deaths) -> ReplicaEvent:
    times = max(deaths.row, len(deaths.times))
    message = f"{replica.key} died {times} times without a minute of life between; its starts come ever later, up to a minute apart."
    return _event(ReplicaCrashLooping, app_id, replica, f"looping.{replica.finished_at or 'vanished'}", message=message)


def limits_refused(desired: Desired, replica: Replica, why: str) -> ReplicaEvent:
    message = f"The engine refused the new limits of {replica.key}: {why}"
    return _event(LimitsRefused, desired.app_id, replica, f"limits.{desired.epoch}.{desired.revision}", message=message)


def removed(app_id: str, replica: Replica) -> ReplicaEvent:
    return _event(ReplicaRemoved, app_id, replica, "removed")


def live(app_id: str, release: Release, marks: dict[str, float]) -> ReleaseLive:
    """`marks` are the seconds at which `begun` and each phase ended; a phase of which that is not known is left out."""
    return ReleaseLive(
        event_id=f"{release.deployment_id}.live",
        at=clock.now(),
        app_id=app_id,
        deployment_id=release.deployment_id,
        release=release.number,
        phases=_phases(marks),
    )


def _phases(marks: dict[str, float]) -> tuple[tuple[str, float], ...]:
    found: list[tuple[str, float]] = []
    last = marks.get("begun")
    for name in _PHASES:
        if name == "release" and name not in marks:
            continue  # there is no release command
        end = marks.get(name)
        if last is not None and end is not None:
            found.append((name, round((end - last) * 1000, 2)))
        last = end
    return tuple(found)


def failed(app_id: str, release: Release, failure: Failure) -> ReleaseFailed:
    return ReleaseFailed(
        event_id=f"{release.deployment_id}.failed",
        at=clock.now(),
        app_id=app_id,
        deployment_id=release.deployment_id,
        release=release.number,
        failure=failure,
    )


def settled(desired: Desired, epoch: int, revision: int, running: int) -> Settled:
    event_id = f"{desired.app_id}.{epoch}.{revision}.settled"
    return Settled(event_id=event_id, at=clock.now(), app_id=desired.app_id, epoch=epoch, revision=revision, running=running)


def app_removed(app_id: str) -> AppRemoved:
    return AppRemoved(event_id=f"{app_id}.removed", at=clock.now(), app_id=app_id)


def purged(app_id: str, volume_id: str) -> VolumePurged:
    return VolumePurged(event_id=f"{volume_id}.purged", at=clock.now(), app_id=app_id, volume=volume_id)


def ahead(app_id: str, epoch: int, revision: int) -> AppAhead:
    return AppAhead(event_id=f"{app_id}.ahead.{epoch}.{revision}", at=clock.now(), app_id=app_id, epoch=epoch, revision=revision)


def stray(app_id: str, containers: tuple[str, ...]) -> StrayFound:
    return StrayFound(event_id=f"{min(containers)[:12]}.stray", at=clock.now(), app_id=app_id, containers=containers)
