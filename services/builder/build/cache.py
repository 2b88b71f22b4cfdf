"""What the engine keeps of builds for the next ones, bounded."""

import asyncio

import structlog

from libs.common.engine import builds
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError

_PAUSE = 600.0

logger = structlog.get_logger()


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
