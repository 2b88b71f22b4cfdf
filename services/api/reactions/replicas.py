"""What follows from the runtime's events about single containers."""

from libs.common.messages.runtime import (
    ReplicaCrashLooping,
    ReplicaDied,
    ReplicaEvent,
    ReplicaHealthy,
    ReplicaOomKilled,
    ReplicaRemoved,
    ReplicaStarted,
    ReplicaUnhealthy,
)
from services.api.apps.models import ReplicaRow
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


async def replica(scene: Scene, event: ReplicaEvent) -> Line | None:
    app = await scene.app(event.app_id)
    if app is None:
        return None
    state, level, words = _WORDS[type(event)]
    row = await scene.tx.session.get(ReplicaRow, event.replica)
    if isinstance(event, ReplicaRemoved):
        if row is not None and row.container_id == event.container_id:
            await scene.tx.session.delete(row)
    else:
        values = {
            "app_id": app.id,
            "container_id": event.container_id,
            "release": event.release,
            "state": state,
            "at": event.at,
            "exit_code": event.exit_code,
            "message": event.message,
        }
        if row is None:
            scene.tx.session.add(ReplicaRow(name=event.replica, **values))
        else:
            for name, value in values.items():
                setattr(row, name, value)
    scene.touch(app)
    data: dict[str, object] = {"replica": event.replica, "container_id": event.container_id, "release": event.release}
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
