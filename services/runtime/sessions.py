"""Live sessions, the runtime's side: opened by a query, each in a task of its own, ended with whatever it held."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import msgspec
import structlog

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.errors import DockupError
from libs.common.live.channel import Channel, Over
from libs.common.messages.sessions import STOPPED, Ended, OpenSession, SessionAnswer, SessionEnded
from services.runtime.endings import Endings

_SHARE = 4
_LEAVING_SECONDS = 5.0

logger = structlog.get_logger()


class Refusal(DockupError):
    """The session is not opened. `code` is an error code of the API."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What an opener gives: `serve` speaks until it returns how the session ended. It is cancelled when the other side is gone.

    `replica` is the name of the container that it is about.
    """

    serve: Callable[[Channel], Awaitable[Ended]]
    replica: str = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """`open` takes app id and request and raises `Refusal`; `most` is how many of the kind one app may have at once.

    `most_in_all` bounds those of all apps, and a quarter of it those of one `group` of apps, which takes an app's id.
    `recover` runs once before the first: what this process left behind when it was killed.
    """

    open: Callable[[str, msgspec.Raw], Awaitable[Session]]
    most: int
    most_in_all: int | None = None
    group: Callable[[str], str] = str
    recover: Callable[[], Awaitable[None]] | None = None


class _Place(NamedTuple):
    kind: str
    app_id: str


class Sessions:
    """Every live session of this runtime. `endings` says how those ended that somebody stands behind."""

    def __init__(self, bus: Bus, kinds: Mapping[str, Kind], endings: Endings) -> None:
        self._bus = bus
        self._kinds = kinds
        self._endings = endings
        self._tasks: dict[asyncio.Task[None], tuple[_Place, Channel]] = {}
        self._opening: dict[asyncio.Task[SessionAnswer], _Place] = {}
        self._closed = False

    async def recover(self) -> None:
        """What an earlier life left is ended, and then said to have: nobody's wait is another's."""
        await asyncio.gather(*(kind.recover() for kind in self._kinds.values() if kind.recover is not None))
        self._endings.recover()

    async def open(self, body: bytes) -> SessionAnswer:
        """Answer `dockup.rpc.runtime.open`."""
        asked = msgspec.json.decode(body, type=OpenSession)
        place = _Place(asked.kind, asked.app_id)
        try:
            kind = await self._kind(place)
            opening = asyncio.create_task(self._begin(asked, kind))
            self._opening[opening] = place
            opening.add_done_callback(self._opening.pop)
            return await opening
        except Refusal as error:
            return SessionAnswer(refusal=error.code, detail=str(error))

    async def _kind(self, place: _Place) -> Kind:
        kind = self._kinds.get(place.kind)
        if kind is None:
            raise Refusal("runtime_unavailable", f"This runtime does not know sessions of the kind {place.kind} yet.")
        try:
            self._check(kind, place)
        except Refusal:
            # One that is over has its place until it has let go of what it held.
            leaving = [task for task, (of, channel) in self._tasks.items() if of.kind == place.kind and channel.ended is not None]
            if not leaving:
                raise
            await asyncio.wait(leaving, timeout=_LEAVING_SECONDS)
            self._check(kind, place)
        if self._closed:
            raise Refusal("runtime_unavailable", "This runtime does not act for the engine any more.")
        return kind

    def _check(self, kind: Kind, place: _Place) -> None:
        """Whoever has much open leaves room for others."""
        there = [of.app_id for of in (*self._opening.values(), *(of for of, _ in self._tasks.values())) if of.kind == place.kind]
        if there.count(place.app_id) >= kind.most:
            raise Refusal("too_many_sessions", f"The app has {kind.most} of these sessions open, which is the most that it may have.")
        if kind.most_in_all is None:
            return
        group = kind.group(place.app_id)
        if len(there) >= kind.most_in_all or sum(kind.group(other) == group for other in there) >= kind.most_in_all // _SHARE:
            raise Refusal("too_many_sessions", f"{len(there)} of these sessions are open, of this and other apps, and no more may be.")

    async def _begin(self, asked: OpenSession, kind: Kind) -> SessionAnswer:
        channel = Channel(self._bus, hears=subjects.live(asked.session, "in"), speaks=subjects.live(asked.session, "out"))
        await channel.listen()
        begun = self._endings.begun(asked.app_id, asked.kind, asked.by) if asked.by else None
        try:
            session = await kind.open(asked.app_id, asked.request)
        except BaseException:
            if begun is not None:
                self._endings.dropped(begun)
            await channel.close()
            raise
        channel.start()
        task = asyncio.create_task(self._run(channel, session, begun), name=f"session-{asked.kind}")
        self._tasks[task] = (_Place(asked.kind, asked.app_id), channel)
        task.add_done_callback(self._tasks.pop)
        return SessionAnswer(replica=session.replica)

    async def close(self) -> None:
        """End all of them, those too that are being opened now, and wait until each has let go of what it held."""
        self._closed = True
        self._end_all()
        if self._opening:
            await asyncio.wait(list(self._opening), timeout=_LEAVING_SECONDS)
        for opening in self._opening:
            opening.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        self._end_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._endings.close()

    def _end_all(self) -> None:
        """By their channels: a task that is cancelled before its first step would let go of nothing."""
        for _, channel in self._tasks.values():
            channel.end(Ended(reason=STOPPED))

    async def _run(self, channel: Channel, session: Session, begun: SessionEnded | None) -> None:
        try:
            await _serve(channel, session)
        finally:
            if begun is not None:
                self._endings.ended(begun, session.replica, channel.ended or Ended(reason=STOPPED))


async def _serve(channel: Channel, session: Session) -> None:
    """Run the session until it or its channel is over, whichever is first."""
    work = asyncio.ensure_future(session.serve(channel))
    over = asyncio.create_task(channel.over.wait())
    why = Ended(reason=STOPPED)
    try:
        await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            why = _end_of(work)
    finally:
        for task in (work, over):
            task.cancel()
        await channel.close(why)
        await asyncio.gather(work, over, return_exceptions=True)


def _end_of(work: "asyncio.Future[Ended]") -> Ended:
    error = work.exception()
    if error is None:
        return work.result()
    if not isinstance(error, Over):
        logger.error("session.failed", exc_info=error)
    return Ended(reason=STOPPED, detail="the session failed in the runtime")
