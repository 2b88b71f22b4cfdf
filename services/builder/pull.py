"""Pulling an image, with progress as events and its ends as failures."""

import asyncio
from collections import deque

from libs.common import errors
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
from services.builder import words
from services.builder.failed import Failed
from services.builder.words import Say

_CODES: dict[type[PullError], str] = {
    DiskFull: "disk_full",
    ImageInvalid: "image_invalid",
    ImageNotFound: "image_not_found",
    RegistryAuth: "registry_auth_failed",
    RegistryUnreachable: "registry_unreachable",
}


async def pull(
    message: PrepareImage, reference: str, *, engine: Engine, say: Say, seconds: float, login: RegistryLogin | None = None
) -> None:
    """Pull the reference; `Failed` when the registry, the disk or the clock is against it, `EngineAway` when the engine is."""
    seen: deque[PullProgress] = deque(maxlen=1)
    reporter = asyncio.create_task(words.report(lambda: _told(message, seen), say))
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


def _told(message: PrepareImage, seen: deque[PullProgress]) -> ImageProgress | None:
    """Where the pull is; nothing before the registry has said what there is."""
    if not seen:
        return None
    mark, text = f"{seen[0].done_layers}.{seen[0].done_bytes}", f"{seen[0].done_layers} of {seen[0].total_layers} layers are here"
    return words.progress(message, mark, text, done_bytes=seen[0].done_bytes, total_bytes=seen[0].total_bytes)
