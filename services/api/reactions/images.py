"""What follows from the builder's events."""

import msgspec

from libs.common.messages.builder import ImageFailed, ImageProgress, ImageReady, ImageStarted
from libs.common.states import DeploymentStatus
from services.api.apps.models import AppRow
from services.api.apps.processes import bring_in
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import add_phase, begin_deploying, collect, fail, milliseconds, move
from services.api.deployments.retention import adopt
from services.api.reactions.scene import Line, Scene

_WAITING = {DeploymentStatus.QUEUED, DeploymentStatus.BUILDING}


async def image_started(scene: Scene, event: ImageStarted) -> Line | None:
    found = await waiting(scene, event.deployment_id)
    if found is None or found[1].status != DeploymentStatus.QUEUED:
        return None
    app, deployment = found
    move(app, deployment, DeploymentStatus.BUILDING, event.at)
    _start(deployment, event.at)
    scene.touch(app)
    return line(app, deployment, "deployment.building", f"Deployment {deployment.number}: the image is being prepared.")


async def image_progress(scene: Scene, event: ImageProgress) -> Line | None:
    found = await waiting(scene, event.deployment_id)
    if found is None:
        return None
    app, deployment = found
    deployment.asked_at = event.at
    data: dict[str, object] = {"done_bytes": event.done_bytes, "total_bytes": event.total_bytes}
    return line(app, deployment, "deployment.progress", event.message, data)


async def image_ready(scene: Scene, event: ImageReady) -> Line | None:
    """The release runs now, or, while another one is `deploying`, waits in `building` until that has ended."""
    found = await waiting(scene, event.deployment_id)
    if found is None:
        if await scene.is_gone(event.app_id):
            # The app's images were taken back before this one was there.
            scene.tx.send(collect(event.app_id, late=event.deployment_id))
        return None
    app, deployment = found
    _start(deployment, event.at)
    add_phase(deployment, "building", deployment.started_at or event.at, milliseconds(deployment.started_at or event.at, event.at))
    deployment.image_digest = event.digest
    release = await scene.tx.session.get_one(ReleaseRow, (app.id, deployment.number))
    release.image_id = event.image_id
    release.exposed_port = event.exposed_ports[0] if len(event.exposed_ports) == 1 else None
    if event.procfile:
        release.procfile = msgspec.json.encode(event.procfile).decode()
        bring_in(app, release)
    adopt(app, deployment, release, event.at)
    data: dict[str, object] = {"image_id": event.image_id, "digest": event.digest, "pulled": not event.found}
    if app.candidate is not None:
        if deployment.status == DeploymentStatus.QUEUED:
            move(app, deployment, DeploymentStatus.BUILDING, event.at)
        message = f"Deployment {deployment.number}: the image is ready; the deployment before it is still being started."
        return line(app, deployment, "deployment.image_ready", message, data)
    begin_deploying(app, deployment, release, event.at)
    scene.change(app)
    return line(app, deployment, "deployment.deploying", f"Deployment {deployment.number} is being started.", data)


async def image_failed(scene: Scene, event: ImageFailed) -> Line | None:
    found = await waiting(scene, event.deployment_id)
    if found is None:
        return None
    app, deployment = found
    _start(deployment, event.at)
    fail(app, deployment, event.failure, event.at)
    scene.touch(app)
    return failed(app, deployment, event.failure.code, event.failure.message)


def failed(app: AppRow, deployment: DeploymentRow, code: str, message: str) -> Line:
    return Line(
        type="deployment.failed",
        message=f"Deployment {deployment.number} failed: {message}",
        project_id=app.project_id,
        app_id=app.id,
        deployment_id=deployment.id,
        level="error",
        data={"code": code},
    )


def _start(deployment: DeploymentRow, at: str) -> None:
    """Work on it began; what came before was waiting."""
    deployment.asked_at = at
    if deployment.started_at is None:
        deployment.started_at = at
        add_phase(deployment, "queued", deployment.created_at, milliseconds(deployment.created_at, at))


async def waiting(scene: Scene, deployment_id: str) -> tuple[AppRow, DeploymentRow] | None:
    """The deployment while it still waits for its image; late news of one that moved on means nothing."""
    found = await scene.deployment(deployment_id)
    return found if found is not None and found[1].status in _WAITING else None


def line(app: AppRow, deployment: DeploymentRow, kind: str, message: str, data: dict[str, object] | None = None) -> Line:
    return Line(type=kind, message=message, project_id=app.project_id, app_id=app.id, deployment_id=deployment.id, data=data or {})
