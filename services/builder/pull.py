"""Pulling an image, with progress as events and its ends as failures."""

import asyncio
from collections import deque

import structlog

from libs.common import clock, errors
from libs.common.bus import BusAway
from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.common.engine.errors import (
    DiskFull,
    ImageInvalid,
    ImageNotFound,
    PullError,
    RegistryAuth,
    RegistryUnreachable,
)
from libs.common.engine.images import Login
from libs.common.engine.pulls import PullProgress
from libs.common.messages.builder import ImageProgress, PrepareImage, RegistryLogin
from libs.common.messages.failure import Failure
from services.builder.failed import Failed
from services.builder.words import Say

PROGRESS_SECONDS = 2.0
_CODES: dict[type[PullError], str] = {
    DiskFull: "disk_full",
    ImageInvalid: "image_invalid",
    ImageNotFound: "image_not_found",
    RegistryAuth: "registry_auth_failed",
    RegistryUnreachable: "registry_unreachable",
}

logger = structlog.get_logger()


async def pull(
    message: PrepareImage, reference: str, *, engine: Engine, say: Say, seconds: float, login: RegistryLogin | None = None
) -> None:
    """Pull the reference; `Failed` when the registry, the disk or the clock is against it, `EngineAway` when the engine is."""
    seen: deque[PullProgress] = deque(maxlen=1)
    reporter = asyncio.create_task(_report(message, seen, say))
    try:
        async with asyncio.timeout(seconds):
            known = Login(server=login.server, username=login.username, password=login.password) if login else None
            await images.pull(engine, reference, seen.append, known)
    except TimeoutError as error:
        text = f"pulling {reference} took longer than {seconds:g} s"
        raise Failed(errors.failure("building", "timeout", text)) from error
    except PullError as error:
        raise Failed(failure(reference, error)) from error
    finally:
        reporter.cancel()


def failure(reference: str, error: PullError) -> Failure:
    code = _CODES.get(type(error), "pull_failed")
    title = errors.FAILURES[code].title
    return errors.failure("building", code, f"{reference}: {title[0].lower()}{title[1:]}", evidence=tuple(str(error).splitlines()))


async def _report(message: PrepareImage, seen: deque[PullProgress], say: Say) -> None:
    """Say where the pull is at most every two seconds, and only when it moved."""
    said: PullProgress | None = None
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        if not seen or seen[0] == said:
            continue
        said = seen[0]
        try:
            await say(progress(message, said))
        except BusAway as error:
            logger.info("pull.progress_unsaid", error=str(error))


def progress(message: PrepareImage, seen: PullProgress) -> ImageProgress:
    return ImageProgress(
        event_id=f"{message.command_id}.progress.{seen.done_layers}.{seen.done_bytes}",
        at=clock.now(),
        app_id=message.app_id,
        deployment_id=message.deployment_id,
        message=f"{seen.done_layers} of {seen.total_layers} layers are here",
        done_bytes=seen.done_bytes,
        total_bytes=seen.total_bytes,
    )
