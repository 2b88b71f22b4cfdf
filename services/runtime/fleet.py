"""All apps of one engine: makes their tasks, tells them what the engine and the bus say, and ticks."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping

import structlog

from libs.common.bus import BusAway
from libs.common.engine.errors import EngineAway, EngineError
from libs.common.messages.api import Desired
from services.runtime.execute import STEPS
from services.runtime.lookout import EngineHandler, Lookout
from services.runtime.reconcile import App
from services.runtime.runs import execute as runs
from services.runtime.world import World

TICK_SECONDS = 30.0
_ROUTERS_SECONDS = 1.0
_RETRY_SECONDS = 0.5

logger = structlog.get_logger()


class Fleet:
    """`active` while this process may act. Between `start` and `stop` every wanted app has a task."""

    def __init__(self, world: World, handlers: Mapping[str, EngineHandler]) -> None:
        self.world = world
        self.apps: dict[str, App] = {}
        self.active = False
        self.lookout = Lookout(world, handlers, apps=self.apps, app_for=self._app_for, on_back=self._want_all, on_seen=self._want_seen)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._own: list[asyncio.Task[None]] = []
        self._routers: set[str] = set()

    def start(self) -> None:
        """The lease is ours."""
        self.active = True
        # What was seen when it was ours before may be long past: nothing is done before the first look.
        self.lookout.reset()
        self._own = [asyncio.create_task(_keep(work)) for work in (self.lookout.follow, self._tick, self._watch_routers)]

    def stop(self) -> None:
        """Somebody else acts now: drop everything at once."""
        self.active = False
        self.lookout.reset()
        for task in [*self._own, *self._tasks.values()]:
            task.cancel()
        self._own, self._tasks = [], {}
        self.apps.clear()
        self.world.tails.close()

    def _want_all(self) -> None:
        self._want_each(list(self.world.wants.entries.values()))
        self.wake_all()

    def _want_seen(self, app_id: str) -> None:
        if (desired := self.world.wants.entries.get(app_id)) is not None:
            self._want_each([desired])

    def _want_each(self, wanted: Iterable[Desired]) -> None:
        """A bug about one app must not keep the others from theirs: it is told, and the next tick tries again."""
        for desired in wanted:
            try:
                self.want(desired)
            except Exception:
                logger.exception("runtime.want_failed", app_id=desired.app_id)

    # The bus.

    def want(self, desired: Desired) -> None:
        """Something is wanted of an app: make its task, or tell it."""
        if not self.active or self.lookout.trouble:
            return
        if desired.app_id in self.lookout.strays:
            # Its containers were nobody's until now: they have to be known before anything is done.
            self._spawn(self._take_strays(desired))
            return
        app = self._app(desired)
        if (app.desired.epoch, app.desired.revision) != (desired.epoch, desired.revision):
            app.want(desired)
        if not self.lookout.has_seen(desired.app_id) and desired.app_id not in self._tasks:
            return  # some of its containers are not known yet: at a later look they are
        if desired.app_id not in self._tasks:
            self._tasks[desired.app_id] = asyncio.create_task(app.run(), name=desired.app_id)
        self._wake_project(desired)

    async def _take_strays(self, desired: Desired) -> None:
        try:
            await self.lookout.look()
        except (EngineAway, EngineError) as error:
            logger.info("runtime.look_waits", error=str(error))  # its return brings every app in
            return
        if (newest := self.world.wants.entries.get(desired.app_id)) is not None:
            self.want(newest)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._own.append(task)
        task.add_done_callback(self._end_of)

    def _end_of(self, task: asyncio.Task[None]) -> None:
        if task in self._own:
            self._own.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("runtime.work_failed", exc_info=error)

    def set_aside(self, app_id: str) -> None:
        """What is wanted of the app cannot be read: nothing of it is touched until it can. Its addresses stay its own."""
        if (task := self._tasks.pop(app_id, None)) is not None:
            task.cancel()

    def forget(self, app_id: str) -> None:
        """The app is gone, and the API has taken notice."""
        self.world.wants.forget(app_id)
        self.apps.pop(app_id, None)
        if (task := self._tasks.pop(app_id, None)) is not None:
            task.cancel()
        self._spawn(self._end_route(app_id))

    async def _end_route(self, app_id: str) -> None:
        """Delete the last word on an app that is gone, once the routers serve it: one that was away has yet to hear it."""
        route = self.world.route_mirror.entries.get(app_id)
        routers = self.world.routers_for(app_id)
        if route is None or route.hosts or not routers or any(router.revision < route.revision for router in routers):
            return
        try:
            await self.world.routes.delete(app_id)
        except BusAway as error:
            logger.info("runtime.route_stays", app_id=app_id, error=str(error))

    def _app_for(self, app_id: str) -> App | None:
        """The app of that id, made where there is none; None when it is not wanted any more."""
        desired = self.world.wants.entries.get(app_id)
        return self._app(desired) if desired else None

    def _app(self, desired: Desired) -> App:
        app = self.apps.get(desired.app_id)
        if app is None:
            app = self.apps[desired.app_id] = App(desired, self.world, {**STEPS, **runs.STEPS})
            app.view.route = self.world.route_mirror.entries.get(desired.app_id)
        return app

    def _wake_project(self, desired: Desired) -> None:
        """Whether an app is its project's last depends on the others."""
        for app in self.apps.values():
            if app.desired.project_id == desired.project_id and app.desired.app_id != desired.app_id:
                app.wake()

    def wake(self, app_id: str) -> None:
        if (app := self.apps.get(app_id)) is not None:
            app.wake()

    def wake_all(self) -> None:
        for app in self.apps.values():
            app.wake()

    def say_again(self) -> None:
        for app in self.apps.values():
            app.say_again()
        self.lookout.say_again()

    def addresses(self) -> set[str]:
        """Return the addresses that containers have or that routes name."""
        found = {replica.address for app in self.apps.values() for replica in app.view.replicas.values()}
        found |= {runner.address for app in self.apps.values() for runner in app.runs.runners.values()}
        found |= self.lookout.addresses()
        routes = [*self.world.route_mirror.entries.values(), *(app.view.route for app in self.apps.values() if app.view.route)]
        return found | {upstream.address for route in routes for upstream in route.upstreams}

    # Time.

    async def _tick(self) -> None:
        """Look again every 30 seconds: a lost event heals here. The apps' turns are spread."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                if not self.lookout.trouble:
                    await self.lookout.look()
            except (EngineAway, EngineError) as error:
                logger.info("runtime.look_waits", error=str(error))
            self._want_each([desired for desired in self.world.wants.entries.values() if desired.app_id not in self._tasks])
            for app in list(self.apps.values()):
                app.tick()
                await asyncio.sleep(0)

    async def _watch_routers(self) -> None:
        """Notice that a router came, or was not heard for too long, and what it has heard meanwhile."""
        while True:
            self.count_routers()
            if self._routers and self.world.wants.complete:
                for app_id in self.world.route_mirror.entries.keys() - self.world.wants.entries.keys():
                    await self._end_route(app_id)
            await asyncio.sleep(_ROUTERS_SECONDS)

    def count_routers(self) -> None:
        live = set(self.world.live_routers())
        if live:
            self.world.routerless_since = None
        elif self.world.routerless_since is None:
            self.world.routerless_since = self.world.clock.seconds()
        if live != self._routers:
            logger.info("runtime.routers", live=sorted(live))
            self._routers = live
            self.wake_all()


async def _keep(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a loop for ever; a bug in it is told, and it begins again."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("runtime.loop_failed", loop=work.__name__)
            await asyncio.sleep(_RETRY_SECONDS)
