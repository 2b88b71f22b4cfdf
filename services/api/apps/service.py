"""What happens to apps. Each function is the inside of one transaction."""

import re

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from libs.common import clock
from libs.common.messages.api import Size
from libs.common.secrets import Vault
from libs.common.states import Intent
from services.api.apps import front, processes
from services.api.apps.desired import desire, host
from services.api.apps.fits import admit, check_fits, claim
from services.api.apps.grammar import check_slug
from services.api.apps.lookup import hold_all
from services.api.apps.models import AppRow, SlugRow
from services.api.apps.observed import refresh
from services.api.apps.schemas import AppUpdate, NewApp, Settings
from services.api.apps.settings import check_read_only, merge
from services.api.apps.source import check_one_source
from services.api.apps.untouched import new_row
from services.api.apps.view import to_view
from services.api.autoscale.policy import hold
from services.api.autoscale.rules import check_memory_limit
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.deployments.moves import cancel_all
from services.api.domains.models import DomainRow
from services.api.http.problems import Problem, invalid
from services.api.jobs.models import JobRow
from services.api.projects import shared
from services.api.runs import moves as runs
from services.api.settings import Settings as Installation
from services.api.volumes.mounts import check_one_writer
from services.api.volumes.purging import purge_all

_LIVE = {"replicas", "cpu_limit", "memory_limit"}
_LONGEST_SLUG = 48


async def create(tx: Tx, vault: Vault, project_id: str, body: NewApp, installation: Installation) -> AppRow:
    """Make an app; nothing runs yet. `409 slug_taken`, `409 quota_exceeded`."""
    check_one_source(body)
    slug = _slug(body)
    app = new_row(vault, project_id, slug, body.name)
    merge(app, body, vault, installation.github_url)
    front.merge(app, body, vault, host(app.slug, installation.base_domain))
    await shared.note(tx, app)
    await enter(tx, app, installation)
    return app


async def enter(tx: Tx, app: AppRow, installation: Installation) -> None:
    """Let a new row in: it takes its slug, and its part of the project's quotas."""
    await _take_slug(tx, app.slug, app.project_id, app.id)
    tx.session.add(app)
    processes.count(app)
    await admit(tx, app, None, installation)
    tx.record("app.created", f"The app {app.slug} was created.", app_id=app.id, project_id=app.project_id, data={"slug": app.slug})
    desire(tx, app)


async def update(tx: Tx, vault: Vault, app: AppRow, body: Settings, installation: Installation) -> list[str]:
    """Merge `body` into the app; return what changed. Replicas and limits are live, the rest waits for the next deploy."""
    view = to_view(app, installation, 0)
    check_one_source(body, view)
    if isinstance(body, AppUpdate):
        check_read_only(body, view)
    before, claimed = app.replicas, claim(app)
    limits, sizes = (app.cpu_limit, app.memory_limit), processes.sizes_of(app)
    changed = merge(app, body, vault, installation.github_url)
    changed += front.merge(app, body, vault, host(app.slug, installation.base_domain))
    if not changed:
        return changed
    if "env" in changed:
        await shared.note(tx, app)
    check_fits(app, limits[1], sizes)
    check_memory_limit(app)
    check_one_writer(app)
    if limits != (app.cpu_limit, app.memory_limit):
        app.limits_refused = None
    app.updated_at = clock.now()
    names = ", ".join(changed)
    tx.record("app.updated", f"Changed: {names}.", app_id=app.id, project_id=app.project_id, data={"changed": changed})
    if app.replicas != before:
        hold(app)
        message = f"Scaled from {before} to {app.replicas} replicas."
        data: dict[str, object] = {"from": before, "to": app.replicas}
        tx.record("app.scaled", message, app_id=app.id, project_id=app.project_id, data=data)
    resized = [name for name in changed if name.startswith("processes.")]
    _say_resized(tx, app, sizes, resized)
    if _LIVE & set(changed) or resized or "processes" in changed:
        await admit(tx, app, claimed, installation)
        await refresh(tx, app)
    if (_LIVE | front.FIELDS) & set(changed) or resized:
        desire(tx, app)
    return changed


def _say_resized(tx: Tx, app: AppRow, before: dict[str, Size], changed: list[str]) -> None:
    after = processes.sizes_of(app)
    for name in (each.removeprefix("processes.") for each in changed):
        count = before[name].replicas if name in before else 0
        if count == after[name].replicas:
            continue
        message = f"The process {name} was scaled from {count} to {after[name].replicas} replicas."
        data: dict[str, object] = {"process": name, "from": count, "to": after[name].replicas}
        tx.record("app.scaled", message, app_id=app.id, project_id=app.project_id, data=data)


def set_image(app: AppRow, image: str | msgspec.UnsetType | None, vault: Vault, installation: Installation) -> None:
    """A deploy that names an image makes it the app's. `400 image_with_git` for an app that is built."""
    if image is msgspec.UNSET:
        return
    body = Settings(image=image)
    check_one_source(body, to_view(app, installation, 0))
    if merge(app, body, vault, installation.github_url):
        app.updated_at = clock.now()


async def remove(tx: Tx, app: AppRow, *, purge: bool = False) -> None:
    """Begin to delete; the runtime proves the absence, then the row becomes a tombstone. Twice is as good as once.

    `purge`: the data of its volumes goes too.
    """
    purges = purge and await purge_all(tx, app)
    if app.intent == Intent.DELETED:
        if purges:
            desire(tx, app)
        return
    await cancel_all(tx, app, "the app is being deleted")
    await runs.cancel_all(tx, app)
    await tx.connection.execute(delete(JobRow).where(JobRow.app_id == app.id))
    app.intent, app.op = Intent.DELETED.value, None
    app.domains = "{}"
    await tx.connection.execute(delete(DomainRow).where(DomainRow.app_id == app.id))
    app.updated_at = clock.now()
    tx.record("app.deleting", f"The app {app.slug} is being deleted.", app_id=app.id, project_id=app.project_id)
    await refresh(tx, app)
    desire(tx, app)


async def all_in(tx: Tx, project_id: str) -> list[AppRow]:
    """The apps of a project, locked."""
    query = await hold_all(tx.session, project_id)
    return list((await tx.session.execute(query)).scalars())


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
    holder = (await tx.session.execute(held(select(SlugRow).where(SlugRow.slug == slug)))).scalar_one()
    if holder.app_id is not None or holder.project_id != project_id:
        raise Problem("slug_taken", f"The slug {slug} is in use, or was used by another project.")
    holder.app_id = app_id
