"""Which generations of replicas are wanted. Pure."""

import msgspec

from libs.common.messages.api import Desired, Release
from libs.common.states import Intent
from services.runtime.replica import Generation, Key, Replica
from services.runtime.seen import Seen


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that is to run. `candidate`: it has not been said to be live. `frozen`: its containers are to be paused."""

    release: Release
    generation: Generation
    count: int
    candidate: bool
    frozen: bool = False

    def places(self) -> tuple[Key, ...]:
        return tuple(Key(self.generation.release, self.generation.restart, slot) for slot in range(self.count))


def pending(desired: Desired, seen: Seen) -> Release | None:
    """Return the candidate while it has not failed."""
    candidate = desired.candidate
    return None if candidate is None or candidate.number in seen.failed else candidate


def targets_of(desired: Desired, seen: Seen) -> tuple[Target, ...]:
    """Return what is to run, the most wanted first: the candidate, and the current release for as long as that is not live.

    Of an app that is stopped the candidate alone: it was deployed since, and runs once that is live.
    """
    if desired.intent == Intent.DELETED:
        return ()
    found: list[Target] = []
    candidate, current = pending(desired, seen), desired.current
    if candidate is not None:
        live = candidate.number in seen.said_live
        found.append(_target(desired, candidate, desired.restart, candidate=not live))
        if live:
            return tuple(found)
    if current is not None and desired.intent != Intent.STOPPED:
        # While a candidate comes up, what serves is not restarted: the candidate replaces it anyway.
        restart = _newest(current, seen, desired.restart) if candidate is not None else desired.restart
        frozen = desired.intent == Intent.PAUSED
        found.append(msgspec.structs.replace(_target(desired, current, restart, candidate=False), frozen=frozen))
    return tuple(found)


def _target(desired: Desired, release: Release, restart: int, *, candidate: bool) -> Target:
    generation = Generation(release.number, restart)
    return Target(release=release, generation=generation, count=desired.replicas, candidate=candidate)


def _newest(release: Release, seen: Seen, otherwise: int) -> int:
    restarts = [replica.key.restart for replica in seen.replicas if replica.key.release == release.number and not replica.leaving]
    return max(restarts, default=otherwise)


def members(target: Target, seen: Seen) -> dict[Key, Replica]:
    """Return the containers that hold the target's places, those that leave included."""
    keys = set(target.places())
    return {replica.key: replica for replica in seen.replicas if replica.key in keys}


def others(targets: tuple[Target, ...], seen: Seen) -> list[Replica]:
    """Return the containers that hold no wanted place."""
    keys = {key for target in targets for key in target.places()}
    return [replica for replica in seen.replicas if replica.key not in keys]
