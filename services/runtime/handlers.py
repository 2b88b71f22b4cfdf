"""What comes in, and which function takes it: the dicts at the foot are the whole routing."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from libs.common import subjects
from libs.common.engine.events import EngineEvent
from libs.common.messages.archives import ARCHIVE, RESTORE
from libs.common.messages.codex import KIND as CODEX
from libs.common.messages.runtime import Inventory, InventoryQuery, LogsAnswer, LogsQuery, RunLogsQuery
from libs.common.states import Intent
from services.runtime import shells
from services.runtime.answers import logs_of
from services.runtime.codex import kind as codex
from services.runtime.fleet import Fleet
from services.runtime.inventory import inventory
from services.runtime.lookout import EngineHandler, Lookout
from services.runtime.reconcile import App
from services.runtime.runs.answers import run_logs
from services.runtime.sessions import Kind
from services.runtime.tails import reader
from services.runtime.volumes.archives import archive_kind, restore_kind


def on_desired(fleet: Fleet, key: str, entry: object) -> None:
    """Something is wanted. A key that was deleted is the end of an app that was to go; of any other it means nothing."""
    if isinstance(entry, msgspec.Raw):
        was_complete = fleet.world.wants.complete
        desired = fleet.world.wants.take(key, entry)
        if desired is not None:
            fleet.want(desired)
        elif key in fleet.world.wants.unread:
            fleet.set_aside(key)
        if fleet.world.wants.complete != was_complete:
            fleet.wake_all()
        return
    known = fleet.world.wants.entries.get(key)
    if known is not None and known.intent == Intent.DELETED:
        fleet.forget(key)
    fleet.world.wants.unread.pop(key, None)


def on_unread(fleet: Fleet, key: str, why: str) -> None:
    """What is wanted of an app is no JSON."""
    fleet.world.wants.refuse(key, why)
    fleet.set_aside(key)


def on_route(fleet: Fleet, key: str, _entry: object) -> None:
    """Our own word came back, or something in its place that cannot be read: that one is written again."""
    fleet.wake(key)


def on_applied(fleet: Fleet, key: str, _entry: object) -> None:
    """A router applied a route: the key is `{app_id}.{router_id}`."""
    fleet.wake(key.partition(".")[0])


def on_lease(fleet: Fleet, _key: str, _entry: object) -> None:
    fleet.count_routers()


def on_scale(fleet: Fleet, key: str, _entry: object) -> None:
    """Load decided on another number of replicas, or a request woke the app."""
    fleet.wake(key)


def on_create(lookout: Lookout, app: App, event: EngineEvent) -> None:
    """A container that no job of ours is making: another runtime acts on this engine, or one did that was killed."""
    lookout.meet(app, event)


def on_change(lookout: Lookout, app: App, event: EngineEvent) -> None:
    """It started or was paused: a look says what that means. Our own job on it looks by itself."""
    if not app.working_on(event.container_id):
        lookout.refresh(app, event.container_id)


def on_die(lookout: Lookout, app: App, event: EngineEvent) -> None:
    """It ended: what the event itself tells is said before the look."""
    if (code := event.attributes.get("exitCode", "")).isdigit():
        app.hear_death(event.container_id, event.at, int(code))
    lookout.refresh(app, event.container_id)


def on_oom(_lookout: Lookout, app: App, event: EngineEvent) -> None:
    app.on_oom(event.container_id)


def on_destroy(_lookout: Lookout, app: App, event: EngineEvent) -> None:
    app.vanish(event.container_id)


async def answer_logs(fleet: Fleet, body: bytes) -> LogsAnswer:
    query = msgspec.json.decode(body, type=LogsQuery)
    return await logs_of(fleet.world, fleet.apps.get(query.app_id), query)


async def answer_run_logs(fleet: Fleet, body: bytes) -> LogsAnswer:
    query = msgspec.json.decode(body, type=RunLogsQuery)
    return await run_logs(fleet.world, fleet.apps.get(query.app_id), query)


async def answer_inventory(fleet: Fleet, body: bytes) -> Inventory:
    return await inventory(fleet.world, msgspec.json.decode(body, type=InventoryQuery).after)


BUCKETS: Mapping[str, Callable[[Fleet, str, object], None]] = {
    subjects.DESIRED: on_desired,
    subjects.ROUTES: on_route,
    subjects.APPLIED: on_applied,
    subjects.LEASES: on_lease,
    subjects.SCALE: on_scale,
}
ENGINE_EVENTS: Mapping[str, EngineHandler] = {
    "create": on_create,
    "start": on_change,
    "die": on_die,
    "pause": on_change,
    "unpause": on_change,
    "oom": on_oom,
    "destroy": on_destroy,
}
QUERIES: Mapping[str, Callable[[Fleet, bytes], Awaitable[object]]] = {
    "logs": answer_logs,
    "run_logs": answer_run_logs,
    "inventory": answer_inventory,
}
SESSIONS: Mapping[str, Callable[[Fleet], Kind]] = {
    ARCHIVE: archive_kind,
    RESTORE: restore_kind,
    "logs": reader.kind,
    "exec": shells.kind,
    CODEX: codex.kind,
}
