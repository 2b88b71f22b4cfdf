"""What follows from the runtime's word on a release, and on an app as a whole."""

from datetime import timedelta

from sqlalchemy import delete, update

from libs.common import clock
from libs.common.messages.runtime import AppRemoved, ReleaseFailed, ReleaseLive, Settled
from libs.common.states import DeploymentStatus, Intent
from services.api.apps import processes
from services.api.apps.desired import THAW
from services.api.apps.models import AppRow, ReplicaRow, SlugRow
from services.api.autoscale import policy
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import add_phase, begin_next, collect, fail, milliseconds, move
from services.api.deployments.retention import collect_old
from services.api.deployments.source import GIT
from services.api.reactions.images import failed
from services.api.reactions.scene import Line, Scene


async def release_live(scene: Scene, event: ReleaseLive) -> Line | None:
    found = await _deploying(scene, event.deployment_id)
    if found is None:
        return None
    app, deployment = found
    move(app, deployment, DeploymentStatus.LIVE, event.at)
    _note_phases(deployment, event)
    release = await scene.tx.session.get_one(ReleaseRow, (app.id, deployment.number))
    app.current, app.current_deployment_id = app.candidate, deployment.id
    app.current_fingerprint = release.fingerprint
    app.current_source = release.source if deployment.source == GIT else None
    app.candidate = app.candidate_deployment_id = None
    app.limits_refused = None
    processes.count(app)
    policy.wake(app)
    if app.intent in {Intent.STOPPED, Intent.PAUSED}:
        app.intent, app.op = Intent.RUNNING.value, None
    await begin_next(scene.tx, app)
    await collect_old(scene.tx, app, deployment)
    scene.change(app)
    return _line(app, "deployment.live", f"Deployment {deployment.number} is live.", deployment_id=deployment.id)


async def release_failed(scene: Scene, event: ReleaseFailed) -> Line | None:
    """What served before still serves."""
    found = await _deploying(scene, event.deployment_id)
    if found is None:
        return None
    app, deployment = found
    begun = deployment.deploying_at or event.at
    add_phase(deployment, "deploying", begun, milliseconds(begun, event.at))
    fail(app, deployment, event.failure, event.at)
    await begin_next(scene.tx, app)
    scene.change(app)
    return failed(app, deployment, event.failure.code, event.failure.message)


async def settled(scene: Scene, event: Settled) -> Line | None:
    app = await scene.app(event.app_id)
    if app is None or event.epoch < scene.tx.epoch or event.revision <= app.settled:
        return None
    app.settled = event.revision
    if app.op is not None and event.revision >= app.op_revision:
        if app.op == THAW:
            # What the last sync saw paused goes on now, and what is paused by hand from here on is left alone.
            app.seen = None
            scene.change(app)
        app.op = None
    scene.touch(app)
    data: dict[str, object] = {"revision": event.revision, "running": event.running}
    return _line(app, "app.settled", f"What runs is what is wanted: {event.running} replicas.", data=data)


async def app_removed(scene: Scene, event: AppRemoved) -> Line | None:
    """The end of a delete: the slug becomes a tombstone that only the same project may take again."""
    app = await scene.app(event.app_id)
    if app is None or app.intent != "deleted":
        return None
    app.gone_at = event.at
    execute = scene.tx.session.execute
    await execute(update(SlugRow).where(SlugRow.slug == app.slug, SlugRow.app_id == app.id).values(app_id=None))
    await execute(delete(ReplicaRow).where(ReplicaRow.app_id == app.id))
    scene.tx.send(collect(app.id))
    scene.tx.forget(app.id, (scene.tx.epoch, app.revision))
    scene.wakes.add(app.id)
    return _line(app, "app.deleted", f"The app {app.slug} is gone.")


async def _deploying(scene: Scene, deployment_id: str) -> tuple[AppRow, DeploymentRow] | None:
    found = await scene.deployment(deployment_id)
    if found is None or found[1].status != DeploymentStatus.DEPLOYING or found[0].candidate_deployment_id != deployment_id:
        return None
    return found


def _note_phases(deployment: DeploymentRow, event: ReleaseLive) -> None:
    """The runtime says what took how long; one began where the one before it ended."""
    at = deployment.deploying_at or event.at
    for name, duration in event.phases or (("deploying", milliseconds(at, event.at)),):
        add_phase(deployment, name, at, duration)
        at = clock.rfc3339(clock.parse(at) + timedelta(milliseconds=duration))


def _line(app: AppRow, kind: str, message: str, *, deployment_id: str | None = None, data: dict[str, object] | None = None) -> Line:
    return Line(type=kind, message=message, project_id=app.project_id, app_id=app.id, deployment_id=deployment_id, data=data or {})
