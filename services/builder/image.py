"""Names of images: what a person may write, and the tags by which Dockup holds what it deploys. Pure."""

import re
from collections.abc import Sequence

import msgspec

from libs.common.image_names import held_release, owner

_HOST = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"{_HOST}(?:\.{_HOST})*(?::[0-9]{{1,5}})?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*"
_REFERENCE = re.compile(rf"(?P<name>{_NAME})(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?", re.ASCII)
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_NAME_MAX = 255
_DEFAULT_REGISTRIES = ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/")


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the repository with its registry; `text` is what the engine is asked for, with a tag or a digest."""

    name: str
    text: str

    @property
    def is_private(self) -> bool:
        """It is an image that Dockup holds, and no registry has it."""
        return owner(familiar(self.name)) is not None


class BadReferenceError(ValueError):
    """The text names no image that may be deployed; the message says why."""


class NotYoursError(BadReferenceError):
    """Dockup holds the image for another app."""


def parse(reference: str, app_id: str) -> Reference:
    """Read a reference. Its text spells the tag out, so that the engine cannot take it for the beginning of an image's id.

    `BadReferenceError` for what no registry could serve and for a bare image id; `NotYoursError` for what is held for another app.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None or len(found["name"]) > _NAME_MAX:
        raise BadReferenceError(f"{reference[:_NAME_MAX]!r} is not the name of an image")
    if _IMAGE_ID.fullmatch(reference):
        raise BadReferenceError("an image's id names no image that could be pulled again")
    held_for = owner(familiar(found["name"]))
    if held_for not in {None, app_id}:
        raise NotYoursError(f"{reference}: the image does not exist")
    version = f"@{found['digest']}" if found["digest"] else f":{found['tag'] or 'latest'}"
    return Reference(name=found["name"], text=found["name"] + version)


def familiar(name: str) -> str:
    """The name as the engine writes it: without the registry that stands for none."""
    prefix = next((prefix for prefix in _DEFAULT_REGISTRIES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def digest(reference: Reference, repo_digests: Sequence[str]) -> str | None:
    """The `name@sha256:…` under which the reference's own registry has the image, else any registry's; None for an image of none.

    An engine that keeps images in containerd has a digest for each of our private names, too.
    """
    public = [found for found in repo_digests if owner(found) is None]
    own = (found for found in public if familiar(found.partition("@")[0]) == familiar(reference.name))
    return next(own, next(iter(public), None))


def collectable(tags: Sequence[str], app_id: str, keep: Sequence[int]) -> list[str]:
    """Which of an app's tags may go: all but the kept, and none that is newer than the newest kept, for it is being deployed.

    With nothing to keep, all of them.
    """
    numbers = {number: name for name in tags if (number := held_release(name, app_id)) is not None}
    newest = max(keep, default=None)
    return [name for number, name in sorted(numbers.items()) if number not in keep and (newest is None or number < newest)]
