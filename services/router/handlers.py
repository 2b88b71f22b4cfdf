"""What follows from a route."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from libs.common import subjects
from libs.common.messages.runtime import Route
from services.router.announce import Announcer
from services.router.apply import Applier
from services.router.drain import Drains
from services.router.problem import Problem
from services.router.proxy import Proxy
from services.router.table import Table
from services.router.waker import Waker

_AGAIN_SECONDS = 0.5

logger = structlog.get_logger()


class Router:
    """Applies what has changed, batch by batch. `problem` is empty unless the proxy could not be given the last one."""

    def __init__(self, *, table: Table, proxy: Proxy, applier: Applier, announcer: Announcer, drains: Drains, waker: Waker) -> None:
        self.table = table
        self.announcer = announcer
        self.problem = ""
        self._proxy = proxy
        self._applier = applier
        self._drains = drains
        self._waker = waker
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def touch(self, app_ids: Iterable[str]) -> None:
        self._dirty |= set(app_ids)
        if self._dirty:
            self._wake.set()

    def start(self, work: Awaitable[None]) -> None:
        """Run something beside the present message."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await self._proxy.serving.wait()
            self._wake.clear()
            batch, self._dirty = self._dirty, set()
            try:
                await self._apply(batch)
            except (Problem, OSError) as problem:
                await self._later(batch, str(problem))

    async def retry(self) -> None:
        """What HAProxy refused is tried again, less and less often; all is, where another worker came than was told of it."""
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            if self._applier.refusals.due:
                self.touch(self._applier.refusals.apps)
            if self._applier.overtaken:
                self._applier.overtaken = False
                self.touch(self.table.routes)

    async def _apply(self, batch: set[str]) -> None:
        # As they are now: what the bus lists meanwhile may take an app that is gone out of the table.
        routes = {app_id: self.table.routes[app_id] for app_id in batch if app_id in self.table.routes}
        await self._applier.apply(routes)
        self.problem = ""
        revisions = {app_id: route.revision for app_id, route in routes.items() if app_id not in self._applier.refusals.apps}
        self._waker.follow(revisions)
        gone = {app_id for app_id in revisions if not routes[app_id].hosts}
        await self._say({app_id: revision for app_id, revision in revisions.items() if app_id not in gone})
        self._drains.follow(batch)
        if gone:
            # Then nobody keeps a word of them: what the disk remembers would be served again after a start.
            await self._applier.disk.save()
            await self._say({app_id: revisions[app_id] for app_id in gone})

    async def _say(self, revisions: Mapping[str, int]) -> None:
        await asyncio.gather(*(self.announcer.say(app_id, revision, {}) for app_id, revision in revisions.items()))

    async def _later(self, batch: set[str], problem: str) -> None:
        if problem != self.problem:
            logger.error("router.not_applied", apps=len(batch), problem=problem)
        self.problem = problem
        self.touch(batch)
        await asyncio.sleep(_AGAIN_SECONDS)


def take_route(key: str, route: Route | None, *, router: Router) -> None:
    """A newer route is applied; one that vanished removes nothing, it only ends what we remember of an app that is gone."""
    if route is not None:
        router.touch(router.table.take(route))
    elif (known := router.table.routes.get(key)) is not None and not known.hosts:
        router.start(router.announcer.forget(key))


BUCKETS: dict[str, Callable[..., None]] = {
    subjects.ROUTES: take_route,
}
