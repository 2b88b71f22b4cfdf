"""How a deployment moves, whoever moves it: a request, or an event of builder and runtime.

Nothing here writes by itself: rows are changed, and what is to be said is put into the transaction.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import select

from libs.common import clock
from libs.common.messages.api import WEB, HealthCheck, Mount, Release
from libs.common.messages.builder import CollectImages
from libs.common.messages.failure import Failure
from libs.common.states import ENDED, DeploymentStatus, advance
from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.deployments.models import DeploymentRow, ReleaseRow

UNDER_WAY = tuple(status.value for status in DeploymentStatus if status not in ENDED)
PORT = 80
"""Where an app listens that says nothing of it, neither in its settings nor in its image."""
UPLOAD = "upload"
"""The trigger of a deployment whose image came as its body; the source of every one whose image came so once."""
RELEASE = "release"
"""The entry of a Procfile that is a release command."""
_WAITING = (DeploymentStatus.QUEUED.value, DeploymentStatus.BUILDING.value)


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a release that are not columns of their own.

    `internal_port`: None is the one that the image exposes, or 80. `env_secret`: names in the environment whose values are masked,
    whatever they are called. `processes`: the commands, set by hand, of those beside `web`. `shared`: the shared variables that the
    environment refers to, and which version of each.
    """

    internal_port: int | None = None
    command: tuple[str, ...] | None = None
    health_check: HealthCheck = HealthCheck()
    drain_seconds: float = 30
    env_secret: tuple[str, ...] = ()
    volumes: tuple[Mount, ...] = ()
    release_command: tuple[str, ...] | None = None
    shared: dict[str, int] = {}
    processes: dict[str, tuple[str, ...]] = {}


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    started_at: str
    duration_ms: float


_frozen = msgspec.json.Decoder(Frozen)
_phases = msgspec.json.Decoder(list[Phase])
_procfile = msgspec.json.Decoder(dict[str, tuple[str, ...]])


def milliseconds(start: str, end: str) -> float:
    return round((clock.parse(end) - clock.parse(start)).total_seconds() * 1000, 3)


def reference_of(release: ReleaseRow) -> str:
    """What the builder is asked for: of a rollback the private name by which the restored release's own image is held."""
    return release.image if release.restores is None else f"dockup/{release.app_id}:r{release.restores}"


def collect(app_id: str, late: str = "") -> CollectImages:
    """The command that takes back all images of an app that is gone; `late` is the deployment whose image came after that."""
    return CollectImages(command_id=f"{app_id}.collect{late and f'.{late}'}", app_id=app_id)


def add_phase(deployment: DeploymentRow, name: str, started_at: str, duration_ms: float) -> None:
    phases = _phases.decode(deployment.phases)
    phases.append(Phase(name=name, started_at=started_at, duration_ms=max(duration_ms, 0.0)))
    deployment.phases = msgspec.json.encode(phases).decode()


def move(app: AppRow, deployment: DeploymentRow, to: DeploymentStatus, at: str) -> None:
    """One step forward; `BackwardsError` where it would be none."""
    deployment.status = advance(DeploymentStatus(deployment.status), to)
    if to in ENDED:
        deployment.finished_at = at
    if deployment.number == app.release:
        app.newest_status = deployment.status


async def waiting(tx: Tx, app: AppRow) -> list[DeploymentRow]:
    """The deployments of the app that are `queued` or `building`, the newest first."""
    query = select(DeploymentRow).where(DeploymentRow.app_id == app.id, DeploymentRow.status.in_(_WAITING))
    found = (await tx.session.execute(query.order_by(DeploymentRow.number.desc()))).scalars()
    return [deployment for deployment in found if deployment.status in _WAITING]


async def supersede(tx: Tx, app: AppRow, by_number: int) -> None:
    """A newer release takes the place of all that wait; one that is `deploying` is left to its end.

    Call `desire` where `dropped` rose by it: the builder gives the image up.
    """
    for deployment in await waiting(tx, app):
        move(app, deployment, DeploymentStatus.SUPERSEDED, clock.now())
        app.dropped = max(app.dropped, deployment.number)
        _record(tx, app, deployment, f"Deployment {deployment.number} was superseded by deployment {by_number}.")


async def cancel_all(tx: Tx, app: AppRow, why: str) -> None:
    """End every deployment that is under way: the app is to be stopped or to go."""
    query = select(DeploymentRow).where(DeploymentRow.app_id == app.id, DeploymentRow.status.in_(UNDER_WAY))
    for deployment in (await tx.session.execute(query)).scalars():
        cancel(tx, app, deployment, why)


def cancel(tx: Tx, app: AppRow, deployment: DeploymentRow, why: str) -> None:
    """End one that is under way. What serves goes on; builder and runtime hear of it by `desire`."""
    if deployment.status in _WAITING:
        app.dropped = max(app.dropped, deployment.number)
    move(app, deployment, DeploymentStatus.CANCELLED, clock.now())
    _record(tx, app, deployment, f"Deployment {deployment.number} was cancelled: {why}.")
    if app.candidate_deployment_id == deployment.id:
        app.candidate = app.candidate_deployment_id = None


def begin_deploying(app: AppRow, deployment: DeploymentRow, release: ReleaseRow, at: str) -> None:
    """The runtime is to make it serve: the release becomes the app's candidate. One that is stopped or paused stays so until it is live."""
    move(app, deployment, DeploymentStatus.DEPLOYING, at)
    deployment.deploying_at = at
    app.candidate = msgspec.json.encode(to_message(release)).decode()
    app.candidate_deployment_id = deployment.id


async def begin_next(tx: Tx, app: AppRow) -> DeploymentRow | None:
    """Begin the newest deployment whose image is ready, if one waits for the candidate before it."""
    for deployment in await waiting(tx, app):
        release = await tx.session.get_one(ReleaseRow, (app.id, deployment.number))
        if release.image_id is not None and app.candidate is None:
            begin_deploying(app, deployment, release, clock.now())
            _record(tx, app, deployment, f"Deployment {deployment.number} is being started.")
            return deployment
    return None


def fail(app: AppRow, deployment: DeploymentRow, failure: Failure, at: str) -> None:
    move(app, deployment, DeploymentStatus.FAILED, at)
    deployment.failure = msgspec.json.encode(failure).decode()
    if app.candidate_deployment_id == deployment.id:
        app.candidate = app.candidate_deployment_id = None


def commands_of(frozen: Frozen, procfile: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The processes beside `web`: what was set by hand stands before what the Procfile says."""
    return {**{name: command for name, command in procfile.items() if name not in {WEB, RELEASE}}, **frozen.processes}


def processes_of(release: ReleaseRow) -> dict[str, tuple[str, ...]]:
    """The processes of a release beside `web`."""
    return commands_of(_frozen.decode(release.settings), _procfile.decode(release.procfile))


def to_message(release: ReleaseRow) -> Release:
    frozen, procfile = _frozen.decode(release.settings), _procfile.decode(release.procfile)
    image_port = release.exposed_port or PORT
    return Release(
        number=release.number,
        deployment_id=release.deployment_id,
        image=release.image,
        image_id=release.image_id or "",
        port=frozen.internal_port or image_port,
        image_port=image_port,
        env=release.env,
        command=frozen.command or procfile.get(WEB),
        health_check=frozen.health_check,
        drain_seconds=frozen.drain_seconds,
        env_secret=frozen.env_secret,
        release_command=frozen.release_command or procfile.get(RELEASE),
        volumes=frozen.volumes,
        shared=release.shared or "",
        shared_versions=frozen.shared,
        processes=commands_of(frozen, procfile),
        procfile=procfile,
    )


def _record(tx: Tx, app: AppRow, deployment: DeploymentRow, message: str) -> None:
    tx.record(
        f"deployment.{deployment.status}",
        message,
        app_id=app.id,
        project_id=app.project_id,
        deployment_id=deployment.id,
        event_id=f"{deployment.id}.{deployment.status}",
    )
