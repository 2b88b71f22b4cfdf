"""What the builder takes (commands) and says (events). Every source becomes an image here."""

import msgspec

from libs.common.messages.failure import Failure


class PrepareImage(msgspec.Struct, frozen=True, kw_only=True):
    """Find or pull `reference` and pin it. Command id: `{deployment_id}.prepare`."""

    command_id: str
    app_id: str
    deployment_id: str
    release: int
    reference: str
    v: int = 1


class LoadImage(msgspec.Struct, frozen=True, kw_only=True):
    """Check the spooled upload of the deployment and load it as the release's image. Command id: `{deployment_id}.prepare`."""

    command_id: str
    app_id: str
    deployment_id: str
    release: int
    v: int = 1


class CollectImages(msgspec.Struct, frozen=True, kw_only=True):
    """Remove every image tag that Dockup made for the app, but those of the releases in `keep`."""

    command_id: str
    app_id: str
    keep: tuple[int, ...] = ()
    v: int = 1


class ImageStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Work on the image began: the deployment is `building`. Id: `{command_id}.started`."""

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    v: int = 1


class ImageProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A pull or a load goes on: at most one event every two seconds. `done_bytes` and `total_bytes` may be 0 while unknown."""

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    message: str
    done_bytes: int = 0
    total_bytes: int = 0
    v: int = 1


class ImageReady(msgspec.Struct, frozen=True, kw_only=True):
    """The image is on the engine. `digest` is the repository digest, None for one that was never in a registry.

    `found` says that nothing had to be pulled. Id: `{command_id}.ready`.
    """

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    image_id: str
    digest: str | None
    found: bool
    v: int = 1


class ImageFailed(msgspec.Struct, frozen=True, kw_only=True):
    """There will be no image. Id: `{command_id}.failed`."""

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    failure: Failure
    v: int = 1
