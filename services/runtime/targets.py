"""Which generations of replicas are wanted. Pure."""

import msgspec

from libs.common.messages.api import WEB, Desired, Release
from libs.common.states import Intent
from services.runtime.replica import Generation, Key, Replica
from services.runtime.runs.errand import is_prepared
from services.runtime.seen import Seen
from services.runtime.volumes.mounting import writes

_BESIDE = 1_000
"""Added to a count of restarts that another deployment has: it is reached by no restart of what is there."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that is to run. `candidate`: it has not been said to be live. `frozen`: its containers are to be paused.

    `count` containers take requests; `beside` says how many each other process has. `asleep`: of the first, one is kept, stopped, so that
    a wake has only to start it; the others run on, for no request would wake them.
    """

    release: Release
    generation: Generation
    count: int
    candidate: bool
    beside: dict[str, int] = {}
    frozen: bool = False
    asleep: bool = False

    @property
    def at_rest(self) -> bool:
        """It takes no requests, however healthy it is."""
        return self.frozen or self.asleep

    def places(self, *, awake: bool = False) -> tuple[Key, ...]:
        """`awake`: those alone that are to run now."""
        counts = {**({} if awake and self.asleep else {WEB: self.count}), **self.beside}
        release, restart = self.generation.release, self.generation.restart
        return tuple(Key(release, restart, slot, process) for process, count in counts.items() for slot in range(count))


def pending(desired: Desired, seen: Seen) -> Release | None:
    """Return the candidate while it has not failed."""
    candidate = desired.candidate
    return None if candidate is None or candidate.deployment_id in seen.failed else candidate


def targets_of(desired: Desired, seen: Seen) -> tuple[Target, ...]:
    """Return what is to run, the most wanted first: the candidate, and the current release for as long as that is not live.

    Of an app that is stopped the candidate alone: it was deployed since, and runs once that is live. So of one whose volumes have one
    writer: what serves makes way, and is wanted again when the candidate has failed. While nothing may be removed it stays, if it is there.
    A candidate whose release command has not ended is none yet.
    """
    if desired.intent == Intent.DELETED:
        return ()
    found: list[Target] = []
    count = desired.replicas if seen.count is None else seen.count
    candidate, current = pending(desired, seen), desired.current
    if candidate is not None and is_prepared(candidate, seen.replicas, seen.ended):
        live = candidate.number in seen.said_live
        found.append(_target(desired, count, candidate, _generation(candidate, seen, desired.restart), candidate=not live))
        if live or (current is not None and _collide(candidate, current) and (seen.may_remove or not _is_there(current, seen))):
            return tuple(found)
    if current is not None and desired.intent != Intent.STOPPED:
        # While a candidate comes up, what serves is not restarted: the candidate replaces it anyway.
        restart = _newest(current, seen, desired.restart) if candidate is not None else desired.restart
        target = _target(desired, count, current, _generation(current, seen, restart), candidate=False)
        found.append(msgspec.structs.replace(target, frozen=desired.intent == Intent.PAUSED, asleep=count == 0))
    return tuple(found)


def _target(desired: Desired, count: int, release: Release, generation: Generation, *, candidate: bool) -> Target:
    """A candidate comes up and proves itself though the app sleeps. Where a volume has one writer, that is `web`."""
    alone = bool(writes(release.volumes))
    return Target(
        release=release,
        generation=generation,
        count=1 if alone else max(count, 1),
        candidate=candidate,
        beside={} if alone else {process: desired.size_of(process).replicas for process in sorted(release.processes)},
    )


def _generation(release: Release, seen: Seen, restart: int) -> Generation:
    """The release's generation of that count of restarts; another one while that has containers of another deployment.

    A database that was put back may give the number of a release again: who had it first serves until those beside it are up. What was
    made beside stays, until a restart.
    """
    of_number = [replica for replica in seen.replicas if replica.key.release == release.number]
    strange = {replica.key.restart for replica in of_number if replica.deployment_id != release.deployment_id}
    own = {replica.key.restart for replica in of_number if replica.deployment_id == release.deployment_id and not replica.leaving}
    free = [beside for time in range(len(of_number) + 1) if (beside := restart + time * _BESIDE) not in strange]
    return Generation(release.number, next((beside for beside in free if beside in own), free[0]))


def _is_there(release: Release, seen: Seen) -> bool:
    return any(replica.deployment_id == release.deployment_id for replica in seen.replicas)


def _collide(one: Release, other: Release) -> bool:
    """A volume of both has one writer."""
    both = {mount.volume for mount in one.volumes} & {mount.volume for mount in other.volumes}
    return bool(both & (writes(one.volumes) | writes(other.volumes)))


def holders(target: Target, seen: Seen) -> list[Replica]:
    """Return the containers that have to be gone before one of the target can have its volumes."""
    volumes = {mount.volume for mount in target.release.volumes}
    if not volumes:
        return []
    alone, own = writes(target.release.volumes), {one.id for one in members(target, seen).values()}
    return [one for one in seen.replicas if one.id not in own and (one.writes & volumes or alone & one.copies.keys())]


def making_way(targets: tuple[Target, ...], seen: Seen) -> list[Replica]:
    """Return the containers that go now, though they may serve, so that the most wanted target can have its volumes."""
    return holders(targets[0], seen) if targets and seen.may_remove else []


def _newest(release: Release, seen: Seen, otherwise: int) -> int:
    restarts = [one.key.restart for one in seen.replicas if one.deployment_id == release.deployment_id and not one.leaving]
    return max(restarts, default=otherwise)


def members(target: Target, seen: Seen) -> dict[Key, Replica]:
    """Return the containers that hold the target's places, those that leave included.

    One of another deployment is none of them: a database that was put back may give the number of its release again.
    """
    keys, of = set(target.places()), target.release.deployment_id
    return {replica.key: replica for replica in seen.replicas if replica.key in keys and replica.deployment_id == of}


def others(targets: tuple[Target, ...], seen: Seen) -> list[Replica]:
    """Return the containers that hold no wanted place."""
    there = {replica.id for target in targets for replica in members(target, seen).values()}
    return [replica for replica in seen.replicas if replica.id not in there]
