"""What a replica's container is made from, and how a container is read back. Pure."""

import msgspec

from libs.common.engine.containers import ContainerListed
from libs.common.engine.spec import ContainerSpec
from libs.common.messages.api import WEB, Desired, HealthCheck, Mount, Release
from services.runtime.replica import Health, Key, Replica
from services.runtime.volumes import mounting


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where containers are made: this installation, this engine."""

    instance: str
    node: str


class MadeFrom(msgspec.Struct, frozen=True, kw_only=True):
    """The label `dockup.made-from`: what of its release the engine does not tell, so that a lost database can be made from what runs."""

    slug: str
    image: str
    command: tuple[str, ...] | None = None
    health_check: HealthCheck = HealthCheck()
    volumes: tuple[Mount, ...] = ()
    copies: dict[str, int] = {}
    release_command: tuple[str, ...] | None = None
    env_secret: tuple[str, ...] = ()
    processes: dict[str, tuple[str, ...]] = {}
    procfile: dict[str, tuple[str, ...]] = {}
    image_port: int = 0


class _Labels(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of a container of ours, as they are read back. One without a process was made before there were others than `web`."""

    app: str = msgspec.field(name="dockup.app")
    project: str = msgspec.field(name="dockup.project")
    release: int = msgspec.field(name="dockup.release")
    restart: int = msgspec.field(name="dockup.restart")
    slot: int = msgspec.field(name="dockup.slot")
    process: str = msgspec.field(name="dockup.process", default=WEB)
    deployment: str = msgspec.field(name="dockup.deployment")
    port: int = msgspec.field(name="dockup.port")
    drain: float = msgspec.field(name="dockup.drain")
    epoch: int = msgspec.field(name="dockup.epoch", default=0)
    revision: int = msgspec.field(name="dockup.revision", default=0)


def network_name(instance: str, project_id: str) -> str:
    return f"dk-{instance}-{project_id}"


def container_name(app_id: str, key: Key) -> str:
    return f"dk-{app_id}-{key.process}-{key.place}"


def process_of(name: str) -> str:
    """The process in a container's name: of one that is gone nothing else tells it."""
    return name.split("-", 2)[-1].rsplit("-", 2)[0]


def labels(desired: Desired, release: Release, key: Key, place: Place) -> dict[str, str]:
    """Everything that a runtime which forgot all needs to know of the container."""
    return {
        "dockup.instance": place.instance,
        "dockup.node": place.node,
        "dockup.app": desired.app_id,
        "dockup.project": desired.project_id,
        "dockup.process": key.process,
        "dockup.release": str(key.release),
        "dockup.restart": str(key.restart),
        "dockup.slot": str(key.slot),
        "dockup.deployment": release.deployment_id,
        "dockup.port": str(release.port),
        "dockup.drain": f"{release.drain_seconds:g}",
        "dockup.epoch": str(desired.epoch),
        "dockup.revision": str(desired.revision),
        "dockup.made-from": msgspec.json.encode(_made_from(desired, release)).decode(),
    }


def _made_from(desired: Desired, release: Release) -> MadeFrom:
    return MadeFrom(
        slug=desired.slug,
        image=release.image,
        command=release.command,
        health_check=release.health_check,
        volumes=release.volumes,
        copies=mounting.copies_of(desired, release),
        release_command=release.release_command,
        env_secret=release.env_secret,
        processes=release.processes,
        procfile=release.procfile,
        image_port=release.image_port,
    )


def made_from(seen: ContainerListed) -> MadeFrom | None:
    """Read the label back; None where it is missing or no such thing."""
    try:
        return msgspec.json.decode(seen.labels.get("dockup.made-from", ""), type=MadeFrom)
    except msgspec.DecodeError:
        return None


def container_spec(desired: Desired, release: Release, key: Key, *, env: dict[str, str], address: str, place: Place) -> ContainerSpec:
    limits = desired.size_of(key.process).limits
    return ContainerSpec(
        name=container_name(desired.app_id, key),
        image_id=release.image_id,
        labels=labels(desired, release, key, place),
        env={"PORT": str(release.port), **env},
        command=release.command if key.is_web else release.processes[key.process],
        network=network_name(place.instance, desired.project_id),
        address=address,
        port=release.port,
        cpu=limits.cpu,
        memory=limits.memory,
        volumes=mounting.mounts(desired, release, place.instance),
    )


def app_of(seen: ContainerListed) -> str:
    """The app that a container is labelled with; empty when it is none of ours."""
    return seen.labels.get("dockup.app", "")


def replica_of(seen: ContainerListed) -> Replica | None:
    """Read a container back; None when its labels are not those of a replica."""
    try:
        found = msgspec.convert(seen.labels, _Labels, strict=False)
    except msgspec.ValidationError:
        return None
    made = made_from(seen)
    return Replica(
        id=seen.id,
        name=seen.name,
        key=Key(found.release, found.restart, found.slot, found.process),
        deployment_id=found.deployment,
        project_id=found.project,
        port=found.port,
        drain_seconds=found.drain,
        address=seen.address or "",
        state=seen.state,
        health=Health.UNSEEN,
        rank=(found.epoch, found.revision),
        copies=made.copies if made else {},
        writes=mounting.writes(made.volumes) if made else frozenset(),
    )
