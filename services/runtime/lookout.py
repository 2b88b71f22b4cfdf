"""What the engine says of our containers: subscribe, list, hear; and the list again at every tick as the truth."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
import structlog

from libs.common.engine import containers, events, origin
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import EngineAway, EngineError, NotFound
from libs.common.engine.events import EngineEvent
from libs.common.states import ReplicaState
from services.runtime import facts, spec
from services.runtime.reconcile import App
from services.runtime.runs.container import runner_of
from services.runtime.runs.runner import Runner
from services.runtime.runs.steps import CreateRunner
from services.runtime.steps import CreateReplica, Step
from services.runtime.teller import Teller
from services.runtime.world import World

_OPEN_SECONDS = 10.0
_LOOK_SECONDS = 10.0
"""For the containers of one app."""
_LOOKS = 16
_PATIENT_SECONDS = 1.0
"""For all apps; at whichever is not seen by then it is looked on while the others have their turns."""
_RETRY_SECONDS = 0.5
_NOT_ASKED = "it was not asked yet"

logger = structlog.get_logger()
EngineHandler = Callable[["Lookout", App, EngineEvent], None]


class Lookout:
    """`trouble` says why the engine does not answer, empty while it does; `strays` are our containers of apps that nobody wants.

    `unseen`: apps with a container that the engine did not tell about when it was asked, and why. The others are not to wait for it.
    `app_for` gives the app of an id, None when it is not wanted any more; `on_back` is called each time when the engine answers
    again and all was listed, `on_seen` for an app that is seen later than the others.
    """

    def __init__(
        self,
        world: World,
        handlers: Mapping[str, EngineHandler],
        *,
        apps: Mapping[str, App],
        app_for: Callable[[str], App | None],
        on_back: Callable[[], None],
        on_seen: Callable[[str], None],
    ) -> None:
        self._world = world
        self._handlers = handlers
        self._apps = apps
        self._app_for = app_for
        self._on_back = on_back
        self._on_seen = on_seen
        self._looks: set[asyncio.Task[None]] = set()
        self._late: set[str] = set()
        self._places = asyncio.Semaphore(_LOOKS)
        self._refreshing: dict[str, asyncio.Task[None]] = {}
        self._tellers: dict[str, Teller] = {}
        self.strays: dict[str, list[ContainerListed]] = {}
        self.unseen: dict[str, str] = {}
        self._listed_alone: dict[str, list[ContainerListed]] = {}
        self.trouble = _NOT_ASKED

    def reset(self) -> None:
        """Nothing is known any more, and nothing is asked."""
        for look in self._looks:
            look.cancel()
        self.strays = {}
        self.trouble = _NOT_ASKED

    def has_seen(self, app_id: str) -> bool:
        """All of its containers that were listed last are known."""
        return app_id not in self.unseen and app_id not in self._late

    def addresses(self) -> set[str]:
        """Return those of containers that no app has in its view: nobody's, and what the engine lists and does not tell about."""
        return {entry.address or "" for entries in (*self.strays.values(), *self._listed_alone.values()) for entry in entries}

    async def follow(self) -> None:
        """Subscribe first, then list, then hear; again and again, for the engine may go and come."""
        self.trouble = _NOT_ASKED
        while True:
            watch = events.watch(self._world.engine, self._world.place.instance)
            try:
                await self._world.engine.ping()
                async with asyncio.timeout(_OPEN_SECONDS):
                    await watch.opened.wait()
                await self.look()
                self._is_back()
                async for event in watch:
                    self._hear(event)
            except (EngineError, EngineAway, TimeoutError) as error:
                self._is_away(str(error) or "it does not answer in time")
            finally:
                await watch.aclose()
            await asyncio.sleep(_RETRY_SECONDS)

    def _is_away(self, why: str) -> None:
        if not self.trouble:
            logger.warning("runtime.engine_away", error=why)
        self.trouble = why
        self._world.clock.stop()

    def _is_back(self) -> None:
        self.trouble = ""
        self._world.clock.go()
        self._on_back()
        logger.info("runtime.engine_answers", apps=len(self._apps))

    async def look(self) -> None:
        """List all that is ours, and look closely at what changed."""
        await self._world.networks.load()
        # What is made while the engine lists may be missing from its list: only what was known before can be missed.
        before = {container_id for app in self._apps.values() for container_id in (*app.view.replicas, *app.runs.runners)}
        listed = await containers.list_ours(self._world.engine, self._world.place.instance)
        found: dict[str, list[ContainerListed]] = defaultdict(list)
        for entry in listed:
            found[spec.app_of(entry)].append(entry)
        wanted = list(self._world.wants.entries)
        self.strays = {app_id: entries for app_id, entries in found.items() if app_id not in wanted}
        self._tell_strays()
        self.unseen = {app_id: why for app_id, why in self.unseen.items() if app_id in wanted}
        self._listed_alone = {app_id: found.get(app_id, []) for app_id in wanted}
        await self._look_at_each(wanted, before)

    async def _look_at_each(self, wanted: list[str], before: set[str]) -> None:
        """Look at all at once, and wait a moment for it. Raises `EngineAway`."""
        away = self._world.clock.away
        looks = {
            asyncio.create_task(self._try_to_look_at(app_id, self._listed_alone[app_id], before, away=away)): app_id for app_id in wanted
        }
        if not looks:
            return
        self._looks |= looks.keys()
        for look in looks:
            look.add_done_callback(self._looks.discard)
        done, slow = await asyncio.wait(looks, timeout=_PATIENT_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        for look in slow:
            self._late.add(looks[look])
            look.add_done_callback(partial(self._seen_late, looks[look]))
        for error in [look.exception() for look in done]:
            if error is not None:
                raise error

    def _seen_late(self, app_id: str, look: asyncio.Task[None]) -> None:
        self._late.discard(app_id)
        if look.cancelled():
            return
        if (error := look.exception()) is not None:
            logger.info("runtime.look_waits", error=str(error))  # the next list tells
        elif app_id not in self.unseen:
            self._on_seen(app_id)

    def _tell_strays(self) -> None:
        if self._world.wants.complete:
            self._tellers = {app_id: self._tellers.get(app_id) or Teller(self._world.bus, app_id) for app_id in self.strays if app_id}
            for app_id, teller in self._tellers.items():
                entries = self.strays[app_id]
                teller.tell(facts.stray(app_id, tuple(sorted(entry.id for entry in entries))))

    def say_again(self) -> None:
        """The bus may have lost what was said."""
        for teller in self._tellers.values():
            teller.forget()
        self._tell_strays()

    async def _try_to_look_at(self, app_id: str, listed: list[ContainerListed], before: set[str], *, away: bool) -> None:
        """A container may be stuck in the engine, which then answers all questions but those about it."""
        try:
            async with self._places, asyncio.timeout(_LOOK_SECONDS):
                if (app := self._app_for(app_id)) is not None:  # it may have gone while another was looked at
                    await self._look_at(app, listed, before, away=away)
        except (EngineAway, EngineError, TimeoutError, msgspec.ValidationError) as error:
            await self._world.engine.ping()
            self.unseen[app_id] = str(error) or "the engine does not tell about a container of it"
            logger.error("runtime.unseen", app_id=app_id, error=self.unseen[app_id])  # noqa: TRY400 - no bug of ours
        else:
            self.unseen.pop(app_id, None)
            self._listed_alone.pop(app_id, None)

    async def _look_at(self, app: App, listed: list[ContainerListed], before: set[str], *, away: bool) -> None:
        missing = (before & (app.view.replicas.keys() | app.runs.runners.keys())) - {entry.id for entry in listed}
        for container_id in missing:
            if not app.working_on(container_id):
                app.vanish(container_id)
        for entry in listed:
            known = app.view.replicas.get(entry.id)
            same = known is not None and known.state == entry.state and known.started_at is not None and not away
            if app.working_on(entry.id):
                continue
            if (runner := runner_of(entry)) is not None:
                await self._look_at_runner(app, app.runs.runners.get(entry.id), runner)
            elif not same:
                await self._inspect(app, entry, away=away)
            elif known is not None and known.running and known.address and known.address not in entry.addresses:
                app.replace(known, f"it was taken out of its network: {known.address} is not its address any more")

    async def _look_at_runner(self, app: App, known: Runner | None, listed: Runner) -> None:
        if known is not None and known.state == listed.state and known.started_at is not None:
            return
        try:
            seen = await containers.inspect(self._world.engine, listed.id)
        except NotFound:
            app.vanish(listed.id)
        else:
            if known is not None and listed.id not in app.runs.runners:
                return  # it was removed while the engine told about it
            app.runs.merge(listed, seen)
        app.wake()

    async def _inspect(self, app: App, entry: ContainerListed, *, away: bool) -> None:
        replica, is_new = spec.replica_of(entry), entry.id not in app.view.replicas
        try:
            seen = await containers.inspect(self._world.engine, entry.id)
        except NotFound:
            return
        known = app.view.replicas.get(entry.id)
        if app.working_on(entry.id) or (known is None and not is_new):
            return  # a job of ours began meanwhile, which looks by itself, or has removed it
        if replica is not None:
            if known is None and not app.wants(replica):
                await self._learn_secrets(app, entry)
            app.take_in(replica, seen)
        if known is not None and known.running and away:
            app.excuse(entry.id)

    async def _learn_secrets(self, app: App, entry: ContainerListed) -> None:
        """The values that it was given: nobody wants its release any more, and its last words are kept all the same."""
        made = spec.made_from(entry)
        with contextlib.suppress(NotFound):
            app.masks.learn_env((await origin.read(self._world.engine, entry.id)).env, made.env_secret if made else ())

    def _hear(self, event: EngineEvent) -> None:
        app = self._apps.get(event.attributes.get(containers.APP_LABEL, ""))
        handler = self._handlers.get(event.action)
        if app is not None and handler is not None:
            handler(self, app, event)

    def meet(self, app: App, event: EngineEvent) -> None:
        """Learn of a container that was just made, unless a job of ours makes it and will tell."""
        made = ContainerListed(
            id=event.container_id, name="", labels=event.attributes, state=ReplicaState.CREATED, image_id="", address=None
        )
        if (making := _making(made)) is None or app.has_job(making) or made.id in app.view.replicas or made.id in app.runs.runners:
            return
        look = asyncio.create_task(self._meet(app, made.id))
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)

    async def _meet(self, app: App, container_id: str) -> None:
        try:
            listed = await containers.list_ours(self._world.engine, self._world.place.instance, container_ids=[container_id])
            await self._look_at(app, listed, set(), away=False)
        except (EngineAway, EngineError, msgspec.ValidationError) as error:
            logger.info("runtime.look_waits", error=str(error))  # the next list tells

    def refresh(self, app: App, container_id: str) -> None:
        """Look at one container soon, after the look at it that is under way."""
        if container_id not in app.view.replicas and container_id not in app.runs.runners:
            return
        task = asyncio.create_task(self._refresh(app, container_id, self._refreshing.get(container_id)))
        self._refreshing[container_id] = task
        task.add_done_callback(lambda done: self._refreshing.pop(container_id) if self._refreshing.get(container_id) is done else None)

    async def _refresh(self, app: App, container_id: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            await app.refresh(container_id)
        except (EngineAway, EngineError) as error:
            logger.info("runtime.look_waits", error=str(error))  # the next list tells


def _making(made: ContainerListed) -> Step | None:
    """The step that makes such a container; None when no step does."""
    if (replica := spec.replica_of(made)) is not None:
        return CreateReplica(replica.key)
    runner = runner_of(made)
    return CreateRunner(runner.errand) if runner is not None else None
