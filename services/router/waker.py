"""The waker: has a sleeping app started, and tells the proxy, which holds the requests meanwhile, when it serves."""

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Mapping

import msgspec
import structlog

from libs.common import clock, scaling, subjects
from libs.common.bucket import Bucket, Conflict
from libs.common.bus import Bus, BusAway
from libs.common.messages.scale import Scale
from services.router import render
from services.router.entries import ASLEEP, state_of
from services.router.table import Table

_MOST_HELD = 1_000
_BACKLOG = 4_096
_LINE_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 0.25

logger = structlog.get_logger()


class Waker:
    """Speaks with `waker.lua` in the proxy, one connection a held request: a backend's name and the host come in, a line goes out.

    `place` behind them is said by a worker that a reload replaced, of an app that is awake: `placed` counts these requests, by app, for the
    worker sends them on by address, and its statistics do not say whose they were.

    `ready ADDRESS PORT NAME`: that replica takes requests; `failed`: the app was started and none does; `paused`: they stand still;
    `late`: `seconds` are over, or too many wait. A worker of the proxy that a reload replaced asks for every request: it goes where we say.
    """

    def __init__(self, bus: Bus, table: Table, *, name: str, seconds: float) -> None:
        self._bucket = Bucket(bus, subjects.SCALE, Scale)
        self._table = table
        self._path = render.abstract(name)
        self._seconds = seconds
        self._held: defaultdict[str, set[asyncio.Future[str]]] = defaultdict(set)
        self._applied: dict[str, int] = {}
        self._calls: dict[str, asyncio.Task[None]] = {}
        self.problem = ""
        self.placed: Counter[str] = Counter()

    async def serve(self) -> None:
        """Listen for ever; another router that has our name still is waited for."""
        while True:
            try:
                server = await asyncio.start_unix_server(self._serve, self._path, backlog=_BACKLOG)
            except OSError as error:
                self.problem = f"Sleeping apps cannot be woken: {error}"
                logger.error("waker.not_listening", error=str(error))  # noqa: TRY400 - no bug of ours
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            self.problem = ""
            async with server:
                await server.serve_forever()

    def follow(self, revisions: Mapping[str, int]) -> None:
        """The proxy has these revisions of the apps' routes: who waits for one of them may hear of it."""
        self._applied.update(revisions)
        for app_id in revisions.keys() & self._held.keys():
            self._answer(app_id)

    def _word(self, app_id: str) -> str | None:
        """What is to be said of an app now; None: wait."""
        route = self._table.routes.get(app_id)
        if route is None:
            return "failed"
        state = state_of(route)
        if state == ASLEEP or self._applied.get(app_id, 0) < route.revision:
            return None
        able = [up for up in route.upstreams if up.draining_since is None]
        if able:
            up = random.choice(able)  # noqa: S311 - no secret
            return f"ready {up.address} {up.port} {up.name}"
        return state or "failed"

    def _answer(self, app_id: str) -> None:
        for waiting in self._held.get(app_id, ()):
            if not waiting.done() and (word := self._word(app_id)):
                waiting.set_result(word)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):  # the proxy went, or somebody said something that is no line
            async with asyncio.timeout(_LINE_SECONDS):
                line = await reader.readline()
            backend, host, more = [*line.decode().split(), "", "", ""][:3]
            word = await self._hold(backend, host)
            if more and word.startswith("ready ") and (app_id := self._table.app_of(render.slot_of(backend))):
                self.placed[app_id] += 1
            writer.write(f"{word}\n".encode())
            await writer.drain()
        writer.close()

    async def _hold(self, backend: str, host: str) -> str:
        """Wait until the backend's app serves, and return the word for that.

        A worker that was replaced knows the hosts of before: one that leads elsewhere by now is served by nobody there.
        """
        app_id = self._table.app_of(render.slot_of(backend))
        if app_id is None or (host and self._table.owner(host) != app_id):
            return "failed"
        if word := self._word(app_id):
            return word
        waiting = self._held[app_id]
        if len(waiting) >= _MOST_HELD:
            return "late"
        mine: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiting.add(mine)
        if app_id not in self._calls:
            self._calls[app_id] = asyncio.create_task(self._keep_calling(app_id))
        try:
            async with asyncio.timeout(self._seconds):
                return await mine
        except TimeoutError:
            return "late"
        finally:
            waiting.discard(mine)
            if not waiting:
                del self._held[app_id]
                self._calls.pop(app_id).cancel()

    async def _keep_calling(self, app_id: str) -> None:
        """Ask for a replica for as long as somebody waits: a decision to sleep may come between."""
        while True:
            try:
                pause = _LOOK_SECONDS if await self._wake(app_id) else 0.0
            except BusAway as error:
                logger.info("waker.waits", app_id=app_id, error=str(error))
                pause = _RETRY_SECONDS
            except msgspec.MsgspecError as error:
                logger.error("waker.unread", app_id=app_id, error=str(error))  # noqa: TRY400 - somebody else's entry
                pause = _LOOK_SECONDS
            await asyncio.sleep(pause)

    async def _wake(self, app_id: str) -> bool:
        """Write that one replica is wanted, where the app's load decided on none; False: somebody else wrote meanwhile."""
        route = self._table.routes.get(app_id)
        if route is None or state_of(route) != ASLEEP:
            return True  # what is asked for is only on its way to the proxy
        found = await self._bucket.get(app_id)
        entry, revision = found or (None, 0)
        if entry is not None and entry.replicas > 0:
            return True
        number = entry.number + 1 if entry else 1
        wanted = Scale(app_id=app_id, replicas=1, at=_after(entry), by="router", number=number, reason="A request came.")
        try:
            await self._bucket.swap(app_id, wanted, revision)
        except Conflict:
            return False
        logger.info("waker.woke", app_id=app_id)
        return True


def _after(entry: Scale | None) -> str:
    """When a decision that follows this one is taken; one of a time that nobody can read holds nobody up."""
    try:
        return scaling.later(clock.now(), entry.at if entry else None)
    except ValueError as error:
        logger.error("waker.unread", app_id=entry.app_id if entry else "", error=str(error))  # noqa: TRY400 - somebody else's entry
        return clock.now()
