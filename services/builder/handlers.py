"""From one command to what follows from it. Every source becomes an image here."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog

from libs.common import clock, errors
from libs.common.bus import Bus
from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, EngineAway, NotFound
from libs.common.engine.images import ImageSeen
from libs.common.errors import Retry
from libs.common.messages.builder import CollectImages, ImageFailed, ImageReady, ImageStarted, PrepareImage
from libs.common.messages.failure import Failure
from libs.common.worker import Handle
from services.builder import image
from services.builder.desired import Deleted
from services.builder.pull import Event, Failed, Say, pull

T = TypeVar("T")

_ENGINE_PAUSE = 0.25
_IN_USE_SECONDS = 30.0

logger = structlog.get_logger()


async def prepare_image(message: PrepareImage, *, engine: Engine, say: Say, deleted: Deleted, pull_seconds: float) -> None:
    """Find or pull the image, hold it by a tag of ours, and say so. An image that is here already wins: no registry is asked."""
    started = asyncio.create_task(say(_started(message)))
    try:
        end = await _prepare(message, engine=engine, say=say, deleted=deleted, pull_seconds=pull_seconds)
    finally:
        # The order in the stream is the order of the facts, and a fault of the bus must not stay unseen.
        await started
    if end is not None:
        await say(end)
    if message.app_id in deleted:
        # The command that collects its images may be done already.
        await _untag(engine, _held_as(message))


async def _prepare(
    message: PrepareImage, *, engine: Engine, say: Say, deleted: Deleted, pull_seconds: float
) -> ImageReady | ImageFailed | None:
    """How it ended; None when nobody waits for it any more."""
    try:
        reference = image.parse(message.reference, message.app_id)
        seen = await _patiently(lambda: images.find(engine, reference.text))
        found = seen is not None
        if seen is None and image.is_ours(reference):
            return _failed(message, _gone(message))
        if seen is None:
            work = _patiently(lambda: pull(message, reference.text, engine=engine, say=say, seconds=pull_seconds))
            if not await _unless_dropped(work, message, deleted):
                logger.info("image.given_up", app_id=message.app_id, release=message.release)
                return None
            seen = await _patiently(lambda: images.find(engine, reference.text))
        if seen is None:
            raise Retry(f"{reference.text} went away as soon as it was pulled")
        await _hold(message, seen, engine=engine)
    except NotFound as error:
        raise Retry(f"{message.reference} went away while it was prepared") from error
    except image.BadReferenceError as error:
        hint = "Name the image as name:tag or name@sha256:digest."
        return _failed(message, errors.failure("building", "image_invalid", str(error), hint=hint))
    except Failed as error:
        return _failed(message, error.failure)
    return _ready(message, seen, digest=image.digest(reference, seen.repo_digests), found=found)


async def collect_images(message: CollectImages, *, engine: Engine) -> None:
    """Take back the tags of an app's releases that nobody keeps."""
    tags = await _patiently(lambda: images.list_tags(engine, f"{image.repository(message.app_id)}:"))
    for name in image.collectable(tags, message.app_id, message.keep):
        await _untag(engine, name)


async def _unless_dropped(work: Coroutine[Any, Any, None], message: PrepareImage, deleted: Deleted) -> bool:
    """Do the work, and drop it once nobody waits for the image; say whether it was done."""
    working = asyncio.create_task(work)
    giving_up = asyncio.create_task(deleted.wait(message.app_id, message.release))
    try:
        await asyncio.wait({working, giving_up}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        return working.done()
    finally:
        working.cancel()
        giving_up.cancel()


async def _hold(message: PrepareImage, seen: ImageSeen, *, engine: Engine) -> None:
    """Tag the image, so that nobody's clean-up takes it away."""
    if _held_as(message) not in seen.repo_tags:
        await _patiently(lambda: images.tag(engine, seen.id, image.repository(message.app_id), image.tag(message.release)))


def _gone(message: PrepareImage) -> Failure:
    """Our own name for an image is in no registry: what is asked for there could be anybody's."""
    text = f"{message.reference}, the image that was kept, is not on this machine any more"
    return errors.failure("building", "image_not_found", text, hint="Roll back to another deployment, or deploy the image by its name.")


def _held_as(message: PrepareImage) -> str:
    return f"{image.repository(message.app_id)}:{image.tag(message.release)}"


async def _untag(engine: Engine, name: str) -> None:
    try:
        await _patiently(lambda: images.untag(engine, name))
    except Conflict as error:
        raise Retry(f"{name} is in use: {error}", after=_IN_USE_SECONDS) from error


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Do it again until the engine is there. The worker's heartbeat holds the command meanwhile, so waiting is no failed try."""
    while True:
        try:
            return await call()
        except EngineAway as error:
            logger.info("engine.waiting", error=str(error))
            await asyncio.sleep(_ENGINE_PAUSE)


def _started(message: PrepareImage) -> ImageStarted:
    return ImageStarted(
        event_id=f"{message.command_id}.started",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
    )


def _ready(message: PrepareImage, seen: ImageSeen, *, digest: str | None, found: bool) -> ImageReady:
    return ImageReady(
        event_id=f"{message.command_id}.ready",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        image_id=seen.id,
        digest=digest,
        found=found,
    )


def _failed(message: PrepareImage, failure: Failure) -> ImageFailed:
    return ImageFailed(
        event_id=f"{message.command_id}.failed",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        failure=failure,
    )


def bind(*, engine: Engine, bus: Bus, deleted: Deleted, pull_seconds: float) -> dict[type[msgspec.Struct], Handle]:
    """Give each handler its tools."""

    async def say(event: Event) -> None:
        await bus.say(event, event.app_id)

    # Which command goes where.
    return {
        PrepareImage: partial(prepare_image, engine=engine, say=say, deleted=deleted, pull_seconds=pull_seconds),
        CollectImages: partial(collect_images, engine=engine),
    }
