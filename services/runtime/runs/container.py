"""What the container of a run or a release command is made from, and how it is read back. Pure."""

import msgspec

from libs.common.engine.containers import ContainerListed
from libs.common.engine.spec import ContainerSpec
from libs.common.messages.api import Desired, Release
from services.runtime.runs.errand import Errand
from services.runtime.runs.runner import Runner
from services.runtime.spec import Place, network_name
from services.runtime.volumes import mounting


class _Labels(msgspec.Struct, frozen=True):
    """The labels of such a container, as they are read back. It has none of a replica's, so that nobody takes it for one."""

    run: str = msgspec.field(name="dockup.run")
    release: int = msgspec.field(name="dockup.run-of")
    epoch: int = msgspec.field(name="dockup.epoch", default=0)
    revision: int = msgspec.field(name="dockup.revision", default=0)
    copies: str = msgspec.field(name="dockup.run-copies", default="{}")
    secret: str = msgspec.field(name="dockup.run-secret", default="[]")


_copies = msgspec.json.Decoder(dict[str, int])
_names = msgspec.json.Decoder(tuple[str, ...])


def container_spec(desired: Desired, release: Release, errand: Errand, *, env: dict[str, str], address: str, place: Place) -> ContainerSpec:
    """As a replica of the release, but for the command. Its name is that of one errand: the engine refuses a second."""
    return ContainerSpec(
        name=f"dk-{desired.app_id}-run-{errand.id}",
        image_id=release.image_id,
        labels={
            "dockup.instance": place.instance,
            "dockup.node": place.node,
            "dockup.app": desired.app_id,
            "dockup.project": desired.project_id,
            "dockup.run": errand.id,
            "dockup.run-of": str(release.number),
            "dockup.epoch": str(desired.epoch),
            "dockup.revision": str(desired.revision),
            "dockup.run-secret": msgspec.json.encode(release.env_secret).decode(),
            "dockup.run-copies": msgspec.json.encode(mounting.copies_of(desired, release)).decode(),
        },
        env={"PORT": str(release.port), **env},
        command=errand.command,
        network=network_name(place.instance, desired.project_id),
        address=address,
        port=release.port,
        cpu=desired.limits.cpu,
        memory=desired.limits.memory,
        volumes=mounting.mounts(desired, release, place.instance),
    )


def runner_of(listed: ContainerListed) -> Runner | None:
    """Read a container back; None when it is no runner."""
    try:
        found = msgspec.convert(listed.labels, _Labels, strict=False)
        copies, secret = _copies.decode(found.copies), _names.decode(found.secret)
    except msgspec.MsgspecError:
        return None
    return Runner(
        id=listed.id,
        name=listed.name,
        errand=found.run,
        release=found.release,
        address=listed.address or "",
        state=listed.state,
        rank=(found.epoch, found.revision),
        copies=copies,
        secret=secret,
    )
