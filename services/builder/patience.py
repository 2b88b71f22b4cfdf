"""Waiting for the engine."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from libs.common.engine.errors import EngineAway

T = TypeVar("T")
_PAUSE = 0.25

logger = structlog.get_logger()


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Do it again until the engine is there. The worker's heartbeat holds the command meanwhile, so waiting is no failed try."""
    while True:
        try:
            return await call()
        except EngineAway as error:
            logger.info("engine.waiting", error=str(error))
            await asyncio.sleep(_PAUSE)
