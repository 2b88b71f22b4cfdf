"""What happens to apps. Each function is the inside of one transaction."""

import re

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from libs.common import clock, ids
from libs.common.secrets import Vault
from libs.common.states import AppStatus, Intent
from services.api.apps.desired import desire
from services.api.apps.fits import check_fits
from services.api.apps.grammar import check_slug
from services.api.apps.models import AppRow, SlugRow
from services.api.apps.observed import refresh
from services.api.apps.schemas import AppUpdate, NewApp, Settings
from services.api.apps.settings import check_later, check_read_only, merge
from services.api.apps.source import NO_BUILD, check_one_source
from services.api.apps.view import etag, to_view
from services.api.db.tx import Tx
from services.api.deployments.moves import Frozen, cancel_all
from services.api.http.problems import Problem, invalid
from services.api.projects import quotas
from services.api.settings import Settings as Installation

_LIVE = {"replicas", "cpu_limit", "memory_limit"}
_LONGEST_SLUG = 48


async def create(tx: Tx, vault: Vault, project_id: str, body: NewApp, installation: Installation) -> AppRow:
    """Make an app; nothing runs yet. `409 slug_taken`, `409 quota_exceeded`."""
    check_later(body)
    check_one_source(body)
    slug = _slug(body)
    app = new_row(vault, project_id, slug, body.name)
    merge(app, body, vault, installation.github_url)
    await enter(tx, app, installation)
    return app


async def enter(tx: Tx, app: AppRow, installation: Installation) -> None:
    """Let a new row in: it takes its slug, and its part of the project's quotas."""
    await _take_slug(tx, app.slug, app.project_id, app.id)
    tx.session.add(app)
    await tx.flush()
    await quotas.check(tx, app, None, installation)
    tx.record("app.created", f"The app {app.slug} was created.", app_id=app.id, project_id=app.project_id, data={"slug": app.slug})
    desire(tx, app)


async def update(tx: Tx, vault: Vault, app: AppRow, body: Settings, installation: Installation) -> list[str]:
    """Merge `body` into the app; return what changed. Replicas and limits are live, the rest waits for the next deploy."""
    view = to_view(app, installation, 0)
    check_later(body, view)
    check_one_source(body, view)
    if isinstance(body, AppUpdate):
        check_read_only(body, view)
    before, usage = app.replicas, quotas.of(app)
    limits = app.cpu_limit, app.memory_limit
    changed = merge(app, body, vault, installation.github_url)
    if not changed:
        return changed
    check_fits(app, limits[1])
    if limits != (app.cpu_limit, app.memory_limit):
        app.limits_refused = None
    app.updated_at = clock.now()
    names = ", ".join(changed)
    tx.record("app.updated", f"Changed: {names}.", app_id=app.id, project_id=app.project_id, data={"changed": changed})
    if app.replicas != before:
        message = f"Scaled from {before} to {app.replicas} replicas."
        data: dict[str, object] = {"from": before, "to": app.replicas}
        tx.record("app.scaled", message, app_id=app.id, project_id=app.project_id, data=data)
    if _LIVE & set(changed):
        await tx.flush()
        await quotas.check(tx, app, usage, installation)
        await refresh(tx, app)
        desire(tx, app)
    return changed


def set_image(app: AppRow, image: str | msgspec.UnsetType | None, vault: Vault, installation: Installation) -> None:
    """A deploy that names an image makes it the app's. `400 image_with_git` for an app that is built."""
    if image is msgspec.UNSET:
        return
    body = Settings(image=image)
    check_one_source(body, to_view(app, installation, 0))
    if merge(app, body, vault, installation.github_url):
        app.updated_at = clock.now()


async def remove(tx: Tx, app: AppRow) -> None:
    """Begin to delete; the runtime proves the absence, then the row becomes a tombstone. Twice is as good as once."""
    if app.intent == Intent.DELETED:
        return
    await cancel_all(tx, app, "the app is being deleted")
    app.intent, app.op = Intent.DELETED.value, None
    app.updated_at = clock.now()
    tx.record("app.deleting", f"The app {app.slug} is being deleted.", app_id=app.id, project_id=app.project_id)
    await refresh(tx, app)
    desire(tx, app)


def check_match(app: AppRow, if_match: str | None) -> None:
    """`412` unless the client saw the settings as they are."""
    if if_match is None or if_match.strip() == "*":
        return
    if etag(app) not in (tag.strip().removeprefix("W/") for tag in if_match.split(",")):
        raise Problem("precondition_failed", "The app's settings changed since they were read.", headers={"ETag": etag(app)})


async def all_in(tx: Tx, project_id: str) -> list[AppRow]:
    """The apps of a project, locked."""
    query = select(AppRow).where(AppRow.project_id == project_id, AppRow.gone_at.is_(None)).order_by(AppRow.id)
    return list((await tx.session.execute(query.with_for_update())).scalars())


def _slug(body: NewApp) -> str:
    if not isinstance(body.slug, msgspec.UnsetType):
        return check_slug(body.slug)
    made = re.sub(r"[^a-z0-9]+", "-", body.name.lower()).strip("-")[:_LONGEST_SLUG].strip("-")
    if not made or made.startswith("xn--"):
        raise invalid("/slug", "cannot be made from this name; send one")
    return made


async def _take_slug(tx: Tx, slug: str, project_id: str, app_id: str) -> None:
    """Hold the slug for the app, or refuse it: one that was used stays with its project."""
    insert = postgresql_insert if tx.connection.dialect.name == "postgresql" else sqlite_insert
    values = {"slug": slug, "project_id": project_id, "app_id": app_id}
    if (await tx.connection.execute(insert(SlugRow).values(values).on_conflict_do_nothing())).rowcount == 1:
        return
    holder = (await tx.session.execute(select(SlugRow).where(SlugRow.slug == slug).with_for_update())).scalar_one()
    if holder.app_id is not None or holder.project_id != project_id:
        raise Problem("slug_taken", f"The slug {slug} is in use, or was used by another project.")
    holder.app_id = app_id


def new_row(vault: Vault, project_id: str, slug: str, name: str) -> AppRow:
    """An app that was never deployed, with an id of its own."""
    now = clock.now()
    return AppRow(
        id=ids.new("app"),
        project_id=project_id,
        slug=slug,
        name=name,
        image=None,
        watch_paths="[]",
        auto_deploy=True,
        build=NO_BUILD,
        deploy_tags=None,
        preview="{}",
        preview_env=None,
        settings=msgspec.json.encode(Frozen()).decode(),
        env=vault.seal({}),
        env_keys="[]",
        replicas=1,
        cpu_limit=None,
        memory_limit=None,
        intent=Intent.RUNNING.value,
        release=0,
        revision=0,
        restart=0,
        dropped=0,
        limits_refused=None,
        settled=0,
        op=None,
        op_revision=0,
        current=None,
        current_deployment_id=None,
        candidate=None,
        candidate_deployment_id=None,
        newest_status=None,
        fingerprint="",
        current_fingerprint=None,
        status=AppStatus.STOPPED.value,
        status_reason="never_deployed",
        status_detail="The app was not deployed yet.",
        current_replicas=0,
        cpu_usage=None,
        memory_usage=None,
        synced_at=None,
        seen=None,
        created_at=now,
        updated_at=now,
        gone_at=None,
    )
