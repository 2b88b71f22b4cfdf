"""The log of one deployment for one reader: what is kept, then what comes, until the deployment has ended or the reader may not go on.

Whoever reads slowly waits for nobody but themselves: each reader asks the stream for one message at a time. News on the bus only say
when to ask again, so nothing comes twice and nothing is missed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic

from libs.common import subjects
from libs.common.bus import BusAway
from libs.common.states import ENDED, DeploymentStatus
from services.api.build_logs import reader
from services.api.build_logs.reader import Cursor
from services.api.build_logs.schemas import DeploymentLog, LogEntry
from services.api.core import Core
from services.api.deployments import service
from services.api.http.principal import Principal
from services.api.http.watching import LOOK_SECONDS, Standing
from services.api.wakes import Ticket

_STORED_SECONDS = 0.02
"""News may come before the stream has what they tell of."""
Who = Callable[[], Awaitable[Principal]]


class Feed:
    """`who` says who reads, anew each time; `status` is the deployment's when it was last looked at."""

    def __init__(self, core: Core, who: Who, deployment_id: str, cursor: Cursor) -> None:
        self._core = core
        self._who = who
        self._id = deployment_id
        self._cursor = cursor
        self._looked = 0.0
        self._standing = Standing(self._look)
        self.status = ""

    async def open(self) -> None:
        """`404` for a deployment out of sight, `410` for a cursor that is none of this stream, `503` while the bus is away."""
        await self._look()
        await reader.check(self._core.bus, self._cursor)

    async def page(self, limit: int) -> DeploymentLog:
        items: list[LogEntry] = []
        try:
            while len(items) < limit and (found := await self._next()):
                items += found
        except BusAway as error:
            raise reader.away() from error
        last = items[:limit][-1].cursor if items else str(self._cursor) if self._cursor.seq else None
        return DeploymentLog(items=items[:limit], next_after=last, ended=self.has_ended)

    async def past(self) -> AsyncIterator[list[LogEntry]]:
        """What is kept now, piece by piece. `BusAway` when the bus goes away meanwhile."""
        while found := await self._next():
            yield found

    async def live(self) -> AsyncIterator[list[LogEntry]]:
        """What is kept, then what comes; an empty list at least every second. `Problem` once the reader may not go on.

        A database that is away for seconds ends nothing. The end comes with that of a deployment that is live, and a second after that of
        another: the builder and what died have their last words meanwhile.
        """
        with self._core.wakes.ticket(self._id) as ticket:
            async with self._core.bus.poked(subjects.log(self._id, ">")) as poked:
                async for found in self._live(poked, ticket):
                    yield found

    async def _live(self, poked: asyncio.Event, ticket: Ticket) -> AsyncIterator[list[LogEntry]]:
        while True:
            poked.clear()
            ended = self.has_ended
            async for found in self._what_is_there():
                yield found
            if ended and self.status == DeploymentStatus.LIVE:
                return
            if await (_wait(poked) if ended else _any(poked, ticket)):
                await asyncio.sleep(_STORED_SECONDS)
                await self._look_again()
            elif ended:
                return
            else:
                await self._stand()
            yield []

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    async def _what_is_there(self) -> AsyncIterator[list[LogEntry]]:
        """The past, as long as reader and bus let it go on; without the bus there is another try in a second."""
        with contextlib.suppress(BusAway):
            async for found in self.past():
                yield found
                await self._look_again()

    async def _next(self) -> list[LogEntry]:
        found = await reader.following(self._core.bus, self._id, self._cursor)
        if found:
            self._cursor = reader.parse(found[-1].cursor, "")
        return found

    async def _look_again(self) -> None:
        if monotonic() - self._looked >= LOOK_SECONDS:
            await self._stand()

    async def _stand(self) -> None:
        """Whether the token still stands, and whether the deployment has ended."""
        self._looked = monotonic()
        if problem := await self._standing.refusal():
            raise problem

    async def _look(self) -> None:
        principal = await self._who()
        async with self._core.db.read() as session:
            self.status = await service.status_of(session, principal, self._id)


async def _any(poked: asyncio.Event, ticket: Ticket) -> bool:
    """Whether there are lines, within a second; other news of the deployment end the wait, too."""
    waits = {asyncio.create_task(_wait(poked)), asyncio.create_task(ticket.news(LOOK_SECONDS))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return poked.is_set()


async def _wait(poked: asyncio.Event) -> bool:
    """Whether there are news, within a second."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await poked.wait()
    except TimeoutError:
        return False
    return True
