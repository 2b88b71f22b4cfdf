"""What follows from the runtime's events about single containers."""

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from libs.common.messages.runtime import (
    LimitsRefused,
    ReplicaCrashLooping,
    ReplicaDied,
    ReplicaEvent,
    ReplicaHealthy,
    ReplicaOomKilled,
    ReplicaRemoved,
    ReplicaSlept,
    ReplicaStarted,
    ReplicaUnhealthy,
    ReplicaWoke,
)
from services.api.apps.models import ReplicaRow
from services.api.autoscale.policy import Decision, note
from services.api.reactions.scene import Line, Scene

_WORDS: dict[type[ReplicaEvent], tuple[str, str, str]] = {
    ReplicaStarted: ("started", "info", "started"),
    ReplicaHealthy: ("healthy", "info", "is healthy"),
    ReplicaUnhealthy: ("unhealthy", "warning", "fails its health check"),
    ReplicaDied: ("died", "warning", "died"),
    ReplicaOomKilled: ("oom_killed", "error", "was killed for using too much memory"),
    ReplicaCrashLooping: ("crash_looping", "error", "dies again and again"),
    ReplicaRemoved: ("removed", "info", "was removed"),
}


_COLUMNS = ("app_id", "container_id", "process", "release", "state", "at", "exit_code", "message")
_GONE = delete(ReplicaRow).where(ReplicaRow.name == bindparam("replica"), ReplicaRow.container_id == bindparam("container"))
_sqlite, _postgresql = sqlite_insert(ReplicaRow), postgresql_insert(ReplicaRow)
_SEEN = {
    "sqlite": _sqlite.on_conflict_do_update(index_elements=["name"], set_={name: _sqlite.excluded[name] for name in _COLUMNS}),
    "postgresql": _postgresql.on_conflict_do_update(index_elements=["name"], set_={name: _postgresql.excluded[name] for name in _COLUMNS}),
}


async def _note(scene: Scene, event: ReplicaEvent, state: str) -> None:
    values = {
        "name": event.replica,
        "app_id": event.app_id,
        "container_id": event.container_id,
        "process": event.process,
        "release": event.release,
        "state": state,
        "at": event.at,
        "exit_code": event.exit_code,
        "message": event.message,
    }
    await scene.tx.connection.execute(_SEEN[scene.tx.connection.dialect.name], values)


async def limits_refused(scene: Scene, event: LimitsRefused) -> Line | None:
    app = await scene.app(event.app_id)
    if app is None:
        return None
    app.limits_refused = event.message
    scene.touch(app)
    return Line(
        type="replica.limits_refused",
        message=event.message,
        project_id=app.project_id,
        app_id=app.id,
        deployment_id=event.deployment_id,
        level="warning",
        data={"replica": event.replica, "container_id": event.container_id, "release": event.release},
    )


async def replica_slept(scene: Scene, event: ReplicaSlept) -> Line | None:
    app = await scene.app(event.app_id)
    if app is None:
        return None
    await _note(scene, event, "slept")
    scene.touch(app)
    data: dict[str, object] = {"replica": event.replica, "container_id": event.container_id, "release": event.release}
    message = "The app sleeps; the next request wakes it."
    return Line(type="app.slept", message=message, project_id=app.project_id, app_id=app.id, deployment_id=event.deployment_id, data=data)


async def replica_woke(scene: Scene, event: ReplicaWoke) -> Line | None:
    """Its state follows from its start, which is an event of its own."""
    app = await scene.app(event.app_id)
    if app is None:
        return None
    if event.by == "request":
        note(app, Decision(replicas=1, at=event.at, by="router", reason="A request woke the app."))
    data: dict[str, object] = {"by": event.by, "replica": event.replica, "container_id": event.container_id, "release": event.release}
    message = "A request woke the app." if event.by == "request" else f"The app was woken by {event.by or 'a change'}."
    return Line(type="app.woke", message=message, project_id=app.project_id, app_id=app.id, deployment_id=event.deployment_id, data=data)


async def replica(scene: Scene, event: ReplicaEvent) -> Line | None:
    app = await scene.app(event.app_id)
    if app is None:
        return None
    state, level, words = _WORDS[type(event)]
    if isinstance(event, ReplicaRemoved):
        await scene.tx.connection.execute(_GONE, {"replica": event.replica, "container": event.container_id})
    else:
        await _note(scene, event, state)
    scene.touch(app)
    data: dict[str, object] = {
        "replica": event.replica,
        "process": event.process,
        "container_id": event.container_id,
        "release": event.release,
    }
    if event.exit_code is not None:
        data["exit_code"] = event.exit_code
    return Line(
        type=f"replica.{state}",
        message=f"Replica {event.replica} {words}." + (f" {event.message}" if event.message else ""),
        project_id=app.project_id,
        app_id=app.id,
        deployment_id=event.deployment_id,
        level=level,
        data=data,
    )
