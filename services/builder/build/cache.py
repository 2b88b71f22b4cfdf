"""What the engine keeps of builds for the next ones, bounded, and each app's for itself."""

import asyncio

import structlog

from libs.common.engine import builds
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError

_PAUSE = 600.0

logger = structlog.get_logger()


def own(app_id: str, *, has_secrets: bool) -> list[str]:
    """Words for the command line, so that an app's build gets nothing from another app's that is not its own to see or to trust.

    Cache mounts are the app's alone: who writes into one rules what the next build installs. Layers are everybody's, for they come from
    what was given alone; but BuildKit leaves the values of secrets out of that, so that a step that mounts one would be had by whoever
    repeats its words. A host in `/etc/hosts`, whose name counts, makes those steps the app's own.
    """
    words = ["--build-arg", f"BUILDKIT_CACHE_MOUNT_NS={app_id}"]
    return [*words, "--add-host", f"{app_id}.invalid:127.0.0.1"] if has_secrets else words


async def keep_bounded(engine: Engine, most: int) -> None:
    """Every ten minutes have the engine forget what was not used for the longest, until it keeps at most `most` bytes.

    Only BuildKit's cache: no image, container or volume, whoever made it. A build that runs keeps what it uses.
    """
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            if freed := await builds.prune(engine, most):
                logger.info("build.cache_pruned", freed_bytes=freed)
        except (EngineAway, EngineError) as error:
            logger.info("build.cache_not_pruned", error=str(error))
