"""Volumes in containers: their names and labels in the engine, and when their data may go. Pure."""

from collections.abc import Iterable

from libs.common.engine.spec import VolumeMount
from libs.common.messages.api import Desired, Mount, Release
from services.runtime.seen import Seen
from services.runtime.steps import PurgeVolume, Step


def volume_name(instance: str, volume_id: str, copy: int) -> str:
    """The engine's name of one copy of a volume; nothing in it was chosen by a person."""
    return f"dk-{instance}-{volume_id}-{copy}"


def mounts(desired: Desired, release: Release, instance: str) -> tuple[VolumeMount, ...]:
    return tuple(
        VolumeMount(
            name=volume_name(instance, mount.volume, desired.copies.get(mount.volume, 1)),
            path=mount.path,
            labels=labels(desired.app_id, desired.project_id, mount.volume, desired.copies.get(mount.volume, 1), instance),
        )
        for mount in release.volumes
    )


def labels(app_id: str, project_id: str, volume_id: str, copy: int, instance: str) -> dict[str, str]:
    return {
        "dockup.instance": instance,
        "dockup.project": project_id,
        "dockup.app": app_id,
        "dockup.volume": volume_id,
        "dockup.copy": str(copy),
    }


def copies_of(desired: Desired, release: Release) -> dict[str, int]:
    """The volumes of a container that is made now, and which copy of each."""
    return {mount.volume: desired.copies.get(mount.volume, 1) for mount in release.volumes}


def writes(mounts: Iterable[Mount]) -> frozenset[str]:
    """The volumes that one container at a time may have."""
    return frozenset(mount.volume for mount in mounts if not mount.shared)


def purges(desired: Desired, seen: Seen) -> list[Step]:
    """What is to be destroyed, and the copies that a restore has replaced, once no container has them."""
    if not seen.may_remove or seen.busy:
        return []
    asked = [volume for volume in desired.purge if volume not in seen.purged and not _held(volume, seen)]
    stale = [
        (volume, copy)
        for volume, copy in desired.copies.items()
        if copy > 1 and (volume, copy) not in seen.swept and volume not in desired.purge and not _held(volume, seen, copy)
    ]
    return [*map(PurgeVolume, asked), *(PurgeVolume(volume, below=copy) for volume, copy in stale)]


def _held(volume: str, seen: Seen, below: int | None = None) -> bool:
    """A container has it, in a copy before that one."""
    there = [*(replica.copies for replica in seen.replicas), *(runner.copies for runner in seen.runners)]
    found = [copies[volume] for copies in there if volume in copies]
    return any(below is None or copy < below for copy in found)
