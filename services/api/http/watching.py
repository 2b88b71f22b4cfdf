"""Whether who speaks over an open socket or stream may go on: asked every second, and not given up for an outage that soon ends."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from services.api.http.problems import Problem

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
"""How long a socket stays open although nobody can say whether it may."""
_ANSWER_SECONDS = 5.0
_SERVER = 500

logger = structlog.get_logger()


class Standing:
    """Of one client who was let in: `may` raises a `Problem` once they may not go on, and is asked again while the database is away."""

    def __init__(self, may: Callable[[], Awaitable[None]], patience: float = PATIENCE_SECONDS) -> None:
        self._may = may
        self._patience = patience
        self._heard = monotonic()
        self._said = False

    async def refusal(self) -> Problem | None:
        """Why the client may not go on, or None; `database_unavailable` when nobody could say for too long."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._may()
        except Exception as error:
            if isinstance(error, Problem) and error.status < _SERVER:
                return error
            if not self._said:  # every second, of every client, it would hide all else
                logger.warning("socket.not_known", error=str(error) or type(error).__name__, exc_info=not isinstance(error, Problem))
            self._said = True
            if monotonic() - self._heard >= self._patience:
                return Problem("database_unavailable", "Nobody could say any more whether this may go on.")
        else:
            self._heard, self._said = monotonic(), False
        return None


async def refusal(may: Callable[[], Awaitable[None]], patience: float = PATIENCE_SECONDS) -> Problem:
    """Why the client may not go on, once that is so. What was revoked during an outage ends as soon as that is over."""
    standing = Standing(may, patience)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if problem := await standing.refusal():
            return problem
