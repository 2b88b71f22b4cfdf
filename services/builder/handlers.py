"""From one command to what follows from it. Every source becomes an image here."""

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import msgspec
import structlog

from libs.common import errors
from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, NotFound
from libs.common.engine.images import ImageSeen
from libs.common.errors import Retry
from libs.common.image_names import held_as, repository, tag
from libs.common.messages.builder import BuildImage, CollectImages, ImageFailed, ImageReady, LoadImage, PrepareImage, RegistryLogin
from libs.common.worker import Handle
from services.builder import image, registry, words
from services.builder.desired import Deleted
from services.builder.failed import Failed
from services.builder.from_source import Site, build_image
from services.builder.image import Reference
from services.builder.load import Loader
from services.builder.patience import patiently
from services.builder.private import Door
from services.builder.pull import pull
from services.builder.room import Room
from services.builder.words import Say

_IN_USE_SECONDS = 30.0

logger = structlog.get_logger()


async def prepare_image(message: PrepareImage, *, site: Site, door: Door, pull_seconds: float) -> None:
    """Find or pull the image, hold it by a tag of ours, and say so. An image that is here already wins: no registry is asked."""
    engine, say, deleted = site.engine, site.say, site.deleted
    started = asyncio.create_task(say(words.started(message)))
    try:
        end = await _prepare(message, site=site, door=door, pull_seconds=pull_seconds)
    finally:
        # The order in the stream is the order of the facts, and a fault of the bus must not stay unseen.
        await started
    if end is not None:
        await say(end)
    if message.app_id in deleted:
        # The command that collects its images may be done already.
        await _untag(engine, held_as(message.app_id, message.release))


async def _prepare(message: PrepareImage, *, site: Site, door: Door, pull_seconds: float) -> ImageReady | ImageFailed | None:
    """How it ended; None when nobody waits for it any more."""
    engine = site.engine
    try:
        reference = image.parse(message.reference, message.app_id)
        is_open_still = await door.check(reference)
        seen = await patiently(lambda: images.find(engine, reference.text))
        is_open_still()
        found = seen is not None
        if seen is None and reference.is_private:
            return words.failed(message, errors.failure("building", "image_not_kept", f"{message.reference} is not kept any more"))
        if seen is not None:
            await _hold(message, seen, engine=engine)
        else:
            await site.room.check()
            async with door.private(reference) if message.registry else contextlib.nullcontext():
                seen = await _pull(message, reference, site=site, door=door, pull_seconds=pull_seconds)
        if seen is None:
            logger.info("image.given_up", app_id=message.app_id, release=message.release)
            return None
    except NotFound as error:
        raise Retry(f"{message.reference} went away while it was prepared") from error
    except image.NotYoursError as error:
        return words.failed(message, errors.failure("building", "image_not_found", str(error)))
    except image.BadReferenceError as error:
        hint = "Name the image as name:tag or name@sha256:digest."
        return words.failed(message, errors.failure("building", "image_invalid", str(error), hint=hint))
    except Failed as error:
        return words.failed(message, error.failure)
    return words.ready(message, seen, digest=image.digest(reference, seen.repo_digests), found=found)


async def _pull(message: PrepareImage, reference: Reference, *, site: Site, door: Door, pull_seconds: float) -> ImageSeen | None:
    """Pull and hold; None when nobody waits for it any more."""
    engine = site.engine
    login = site.vault.open(message.registry, RegistryLogin) if message.registry else None
    await registry.check_egress(reference, site.allowed)
    if door.was_private(reference):
        await registry.vet(reference, login, site.allowed)

    async def work() -> ImageSeen | None:
        await patiently(lambda: pull(message, reference.text, engine=engine, say=site.say, seconds=pull_seconds, login=login))
        return await patiently(lambda: images.find(engine, reference.text))

    seen = await site.deleted.unless_dropped(work(), message.app_id, message.release)
    if seen is None:
        if site.deleted.drops(message.app_id, message.release):
            return None
        raise Retry(f"{reference.text} went away as soon as it was pulled")
    await _hold(message, seen, engine=engine)
    return seen


async def load_image(message: LoadImage, *, engine: Engine, say: Say, deleted: Deleted, loader: Loader, room: Room) -> None:
    """Load what was uploaded, under the name by which we hold it, and say so.

    Where the file has gone, what is held was loaded by this command. Where it has not, that may be another image: of a release of the
    same number, in a database that another one was put in the place of.
    """
    await say(words.started(message))
    name = held_as(message.app_id, message.release)
    try:
        seen = None if loader.has(message) else await patiently(lambda: images.find(engine, name))
        if seen is None:
            await room.check()
            seen = await loader.load(message, name)
    except Failed as error:
        await say(words.failed(message, error.failure))
    else:
        await say(words.ready(message, seen, digest=None, found=False))
    if message.app_id in deleted:
        # The command that collects its images may be done already.
        await _untag(engine, name)


async def collect_images(message: CollectImages, *, engine: Engine) -> None:
    """Take back the tags of an app's releases that nobody keeps."""
    tags = await patiently(lambda: images.list_tags(engine, f"{repository(message.app_id)}:"))
    for name in image.collectable(tags, message.app_id, message.keep):
        await _untag(engine, name)


async def _hold(message: PrepareImage, seen: ImageSeen, *, engine: Engine) -> None:
    """Tag the image, so that nobody's clean-up takes it away."""
    if held_as(message.app_id, message.release) not in seen.repo_tags:
        await patiently(lambda: images.tag(engine, seen.id, repository(message.app_id), tag(message.release)))


async def _untag(engine: Engine, name: str) -> None:
    try:
        await patiently(lambda: images.untag(engine, name))
    except Conflict as error:
        raise Retry(f"{name} is in use: {error}", after=_IN_USE_SECONDS) from error


def bind(site: Site, *, pull_seconds: float, spool: Path, upload_bytes: int) -> dict[type[msgspec.Struct], Handle]:
    """Give each handler its tools."""
    engine, say, deleted, room = site.engine, site.say, site.deleted, site.room
    loader = Loader(engine, say, deleted, spool, upload_bytes)
    # Which command goes where.
    return {
        PrepareImage: partial(prepare_image, site=site, door=Door(engine, site.home), pull_seconds=pull_seconds),
        BuildImage: partial(build_image, site=site),
        LoadImage: partial(load_image, engine=engine, say=say, deleted=deleted, loader=loader, room=room),
        CollectImages: partial(collect_images, engine=engine),
    }
