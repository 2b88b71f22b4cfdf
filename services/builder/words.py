"""What is said of the work on an image, whatever it is made from."""

from collections.abc import Callable, Coroutine
from typing import Any

from libs.common import clock
from libs.common.engine.images import ImageSeen
from libs.common.messages.builder import (
    BuildImage,
    DockerfileWritten,
    ImageFailed,
    ImageProgress,
    ImageReady,
    ImageStarted,
    LoadImage,
    PrepareImage,
    SourceFetched,
)
from libs.common.messages.failure import Failure

Event = ImageStarted | ImageProgress | SourceFetched | DockerfileWritten | ImageReady | ImageFailed
Say = Callable[[Event], Coroutine[Any, Any, None]]
Work = PrepareImage | LoadImage | BuildImage


def started(message: Work) -> ImageStarted:
    return ImageStarted(
        event_id=f"{message.command_id}.started",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
    )


def ready(message: Work, seen: ImageSeen, *, digest: str | None, found: bool) -> ImageReady:
    return ImageReady(
        event_id=f"{message.command_id}.ready",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        image_id=seen.id,
        digest=digest,
        found=found,
    )


def failed(message: Work, failure: Failure) -> ImageFailed:
    return ImageFailed(
        event_id=f"{message.command_id}.failed",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        failure=failure,
    )
