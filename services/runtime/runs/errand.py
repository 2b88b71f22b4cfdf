"""What is to be run once: the app's open runs, and the release command of its candidate. Pure."""

from collections.abc import Iterable

import msgspec

from libs.common import subjects
from libs.common.messages.api import Desired, Release
from services.runtime.replica import Replica

RELEASE_SECONDS = 1_800.0
"""How long a release command may take."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the run's, or of a release command its deployment's. `candidate`: it is a release command."""

    id: str
    command: tuple[str, ...]
    timeout_seconds: float
    started: bool = False
    cancelled: bool = False
    candidate: bool = False


def errands(desired: Desired) -> tuple[Errand, ...]:
    """Everything whose container has a use still, ended or not."""
    runs = tuple(
        Errand(id=run.id, command=run.command, timeout_seconds=run.timeout_seconds, started=run.started, cancelled=run.cancelled)
        for run in desired.runs
    )
    candidate = desired.candidate
    if candidate is None or candidate.release_command is None:
        return runs
    first = Errand(id=candidate.deployment_id, command=candidate.release_command, timeout_seconds=RELEASE_SECONDS, candidate=True)
    return (first, *runs)


def release_for(errand: Errand, desired: Desired) -> Release | None:
    return desired.candidate if errand.candidate else desired.current


def subject_of(errand_id: str) -> str:
    """Where its log is kept."""
    return subjects.log(errand_id, "release" if errand_id.startswith("dep_") else "run")


def is_prepared(release: Release, replicas: Iterable[Replica], ended: frozenset[str]) -> bool:
    """Whether replicas of it may be made: its release command has ended well. That there are some says so as well.

    One that failed has ended too; then the release is no target for that reason.
    """
    if release.release_command is None or release.deployment_id in ended:
        return True
    return any(replica.deployment_id == release.deployment_id for replica in replicas)
