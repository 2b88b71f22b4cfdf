"""What runs wins: the rows of apps are made from the wishes that bus and engine hold."""

import msgspec
from sqlalchemy import select

from libs.common import clock
from libs.common.messages.api import WEB, Desired, Release
from libs.common.secrets import Vault
from libs.common.states import DeploymentStatus, Intent
from services.api.accounts.models import UserRow
from services.api.apps import front, processes
from services.api.apps.desired import desire
from services.api.apps.models import AppRow, SlugRow
from services.api.apps.observed import refresh
from services.api.apps.source import configured, encode
from services.api.apps.untouched import new_row
from services.api.apps.view import fingerprint_of
from services.api.autoscale import policy
from services.api.db.tx import Tx
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import RELEASE, Frozen, cancel_all
from services.api.projects.models import ProjectRow
from services.api.recovery import domains
from services.api.recovery.volumes import take_over

Command = tuple[str, ...]

ACTOR = "system:recover"
_PROJECT = "Recovered"
_KEPT_OF_SLUG, _KEPT_OF_ID = 37, 10


async def adopt(tx: Tx, vault: Vault, row: AppRow | None, wish: Desired) -> AppRow:
    """Make the app's row as the wish is, and a later wish of it. What was under way in the database is cancelled."""
    app = row or await make_row(tx, vault, wish)
    await cancel_all(tx, app, "the database was put back, and what runs won")
    if wish.current is not None:
        await _take_release(tx, vault, app, wish.current)
    if wish.autoscale is not None:
        policy.keep(app, policy.Kept(enabled=True, policy=wish.autoscale))
    if wish.front is not None:
        front.take_over(app, wish.front, vault)
    await take_over(tx, app, wish)
    await domains.take_over(tx, app, wish)
    app.replicas, app.restart = wish.replicas, wish.restart
    app.cpu_limit, app.memory_limit = wish.limits.cpu, wish.limits.memory
    app.processes = msgspec.json.encode(wish.processes).decode()
    processes.count(app)
    app.intent, app.op = wish.intent.value, None
    numbers = [release.number for release in (wish.current, wish.candidate) if release is not None]
    app.release = max(app.release, *numbers) if numbers else app.release
    app.revision = max(app.revision, wish.revision)
    app.settled = app.revision
    app.updated_at = clock.now()
    message = f"The app {app.slug} was taken over from what runs."
    tx.record("app.adopted", message, app_id=app.id, project_id=app.project_id, level="warning", data={"release": app.release})
    await tx.flush()
    await refresh(tx, app)
    desire(tx, app)
    return app


async def hold(tx: Tx, app: AppRow) -> None:
    """The bus says that it went after the backup: it is kept, stopped, for its owner to start or to delete."""
    await cancel_all(tx, app, "the database was put back, and what runs won")
    if app.current is not None and app.intent != Intent.DELETED:
        app.intent, app.op = Intent.STOPPED.value, None
    message = f"The app {app.slug} does not run any more; it is kept, stopped."
    tx.record("app.adopted", message, app_id=app.id, project_id=app.project_id, level="warning")
    await refresh(tx, app)
    desire(tx, app)


async def make_row(tx: Tx, vault: Vault, wish: Desired) -> AppRow:
    """A row for an app that the database never heard of, in its project, which is made anew if that is gone too."""
    project_id = await _project(tx, wish.project_id)
    slug = await _take_slug(tx, wish, project_id)
    app = new_row(vault, project_id, slug, wish.slug)
    app.id = wish.app_id
    tx.session.add(app)
    await tx.flush()
    return app


async def _project(tx: Tx, project_id: str) -> str:
    project = await tx.session.get(ProjectRow, project_id)
    if project is not None and project.gone_at is None:
        return project_id
    admin = await tx.session.execute(select(UserRow.id).where(UserRow.role == "admin").order_by(UserRow.id).limit(1))
    now = clock.now()
    if project is None:
        project = ProjectRow.made(project_id, f"{_PROJECT} {project_id[-6:]}", None, now)
        tx.session.add(project)
    project.owner_id, project.updated_at, project.gone_at = admin.scalar_one(), now, None
    await tx.flush()
    return project_id


async def _take_slug(tx: Tx, wish: Desired, project_id: str) -> str:
    """Its own, or where another app has that now, one made from it."""
    holder = await tx.session.get(SlugRow, wish.slug)
    if holder is None:
        tx.session.add(SlugRow(slug=wish.slug, project_id=project_id, app_id=wish.app_id))
        return wish.slug
    if holder.app_id in {None, wish.app_id}:
        holder.app_id, holder.project_id = wish.app_id, project_id
        return wish.slug
    made = f"{wish.slug[:_KEPT_OF_SLUG].rstrip('-')}-{wish.app_id[-_KEPT_OF_ID:]}"
    tx.session.add(SlugRow(slug=made, project_id=project_id, app_id=wish.app_id))
    return made


async def _take_release(tx: Tx, vault: Vault, app: AppRow, release: Release) -> None:
    procfile = release.procfile
    frozen = Frozen(
        internal_port=None if release.port == release.image_port else release.port,
        command=_set(release.command, procfile.get(WEB)),
        health_check=release.health_check,
        drain_seconds=release.drain_seconds,
        env_secret=release.env_secret,
        volumes=release.volumes,
        release_command=_set(release.release_command, procfile.get(RELEASE)),
        shared=release.shared_versions,
        processes={name: command for name, command in release.processes.items() if _set(command, procfile.get(name))},
    )
    app.image, app.env = release.image, release.env
    app.settings = msgspec.json.encode(frozen).decode()
    app.env_keys = msgspec.json.encode(sorted(vault.open(release.env, dict[str, str]))).decode()
    app.fingerprint = app.current_fingerprint = fingerprint_of(app)
    app.current_source = encode(configured(app)) or None
    app.current, app.current_deployment_id = msgspec.json.encode(release).decode(), release.deployment_id
    if release.number >= app.release:
        app.newest_status = DeploymentStatus.LIVE.value
    await tx.session.merge(
        ReleaseRow(
            app_id=app.id,
            number=release.number,
            deployment_id=release.deployment_id,
            image=release.image,
            image_id=release.image_id,
            exposed_port=release.image_port or None,
            settings=app.settings,
            procfile=msgspec.json.encode(release.procfile).decode(),
            env=release.env,
            shared=release.shared or None,
            source=app.current_source,
            fingerprint=app.fingerprint,
            image_kept=True,
        )
    )
    await _take_deployment(tx, app, release)


def _set(command: Command | None, in_procfile: Command | None) -> Command | None:
    """What somebody set by hand: what the Procfile says goes on coming from there."""
    return None if command == in_procfile else command


async def _take_deployment(tx: Tx, app: AppRow, release: Release) -> None:
    """Its history is lost; that it is live is not."""
    now = clock.now()
    row = await tx.session.get(DeploymentRow, release.deployment_id)
    if row is None:
        row = DeploymentRow(
            id=release.deployment_id,
            app_id=app.id,
            number=release.number,
            trigger="api",
            source="image",
            actor=ACTOR,
            request_id="",
            created_at=now,
            asked_at=now,
            phases="[]",
        )
        tx.session.add(row)
    row.status, row.finished_at, row.failure = DeploymentStatus.LIVE.value, row.finished_at or now, None
