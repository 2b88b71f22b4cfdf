"""What is said of the work on an image, whatever it is made from."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from libs.common import clock
from libs.common.bus import BusAway
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

PROGRESS_SECONDS = 2.0

logger = structlog.get_logger()


def started(message: Work) -> ImageStarted:
    return ImageStarted(
        event_id=f"{message.command_id}.started",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
    )


def ready(
    message: Work, seen: ImageSeen, *, digest: str | None, found: bool, procfile: Mapping[str, tuple[str, ...]] | None = None
) -> ImageReady:
    return ImageReady(
        event_id=f"{message.command_id}.ready",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        image_id=seen.id,
        digest=digest,
        found=found,
        exposed_ports=seen.exposed_ports,
        procfile=dict(procfile or {}),
    )


def failed(message: Work, failure: Failure) -> ImageFailed:
    return ImageFailed(
        event_id=f"{message.command_id}.failed",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        failure=failure,
    )


def progress(message: Work, mark: object, text: str, *, done_bytes: int = 0, total_bytes: int = 0) -> ImageProgress:
    """`mark` tells this news from those before it."""
    return ImageProgress(
        event_id=f"{message.command_id}.progress.{mark}",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        message=text,
        done_bytes=done_bytes,
        total_bytes=total_bytes,
    )


async def report(look: Callable[[], ImageProgress | None], say: Say) -> None:
    """Say where the work is at most every two seconds, and only when it moved. Until cancelled."""
    said = ""
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        event = look()
        if event is None or event.event_id == said:
            continue
        said = event.event_id
        try:
            await say(event)
        except BusAway as error:
            logger.info("build.progress_unsaid", error=str(error))
