"""The states that a deployment and an app may be in, and the one function that moves them.

`docs/states.md` shows the same tables for people.
"""

from enum import IntEnum, StrEnum


class BackwardsError(ValueError):
    """A state was asked to move backwards: a bug, or an event that came too late."""


class DeploymentStatus(StrEnum):
    """Moves forward alone. The last four are ends."""

    QUEUED = "queued"
    BUILDING = "building"
    DEPLOYING = "deploying"
    LIVE = "live"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class _Rank(IntEnum):
    QUEUED = 0
    BUILDING = 1
    DEPLOYING = 2
    ENDED = 3


_RANKS = {
    DeploymentStatus.QUEUED: _Rank.QUEUED,
    DeploymentStatus.BUILDING: _Rank.BUILDING,
    DeploymentStatus.DEPLOYING: _Rank.DEPLOYING,
}

ENDED = frozenset(status for status in DeploymentStatus if status not in _RANKS)
"""A deployment in one of these never changes again."""


def advance(now: DeploymentStatus, to: DeploymentStatus) -> DeploymentStatus:
    """Return `to` where that is a step forward from `now`; raise `BackwardsError` otherwise."""
    if _RANKS.get(to, _Rank.ENDED) <= _RANKS.get(now, _Rank.ENDED):
        raise BackwardsError(f"a deployment cannot go from {now} to {to}")
    return to


class RunStatus(StrEnum):
    """Of a one-off command. The last four are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


OPEN_RUNS = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})


class Intent(StrEnum):
    """What the user wants of an app."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    DELETED = "deleted"


class AppStatus(StrEnum):
    """What the seed document calls `status`."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    RESTARTING = "restarting"
    STARTING = "starting"


class ReplicaState(StrEnum):
    """What the engine says of a container, in the engine's words."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"
