"""`{"create": true}`: one call from nothing to a deployment."""

from typing import Any

import msgspec

from services.api.apps import lookup
from services.api.apps import service as apps
from services.api.apps.grammar import SLUG_PATTERN, Slug
from services.api.apps.models import AppRow
from services.api.apps.schemas import UNSET, NewApp, Settings
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.deployments.schemas import DeployBySlugBody
from services.api.git import connecting
from services.api.http.guards import require
from services.api.http.principal import Principal
from services.api.http.problems import FieldError, Problem, invalid
from services.api.projects import service as projects
from services.api.projects.models import ProjectRow
from services.api.registries.service import check_usable

_ALWAYS = {"image", "ref", "slug", "create"}


async def find_or_create(tx: Tx, core: Core, principal: Principal, slug: str, body: DeployBySlugBody) -> AppRow:
    """The app, locked, with the body's settings in it; made together with its project where they are missing."""
    _check(slug, body)
    if not body.create:
        app = await lookup.to_change(tx, principal, slug, "deploy")
        apps.set_image(app, body.image, core.vault, core.settings)
        return app
    require(principal, "write")
    if (there := await _find(tx, principal, slug)) is not None:
        return await _update(tx, core, principal, there, body)
    project = await _project(tx, principal, body)
    if (there := await _find(tx, principal, slug)) is not None:  # whoever held the project until now made it: this is a later request
        return await _update(tx, core, principal, there, body)
    await check_usable(tx, principal, body.registry_id)
    made = await apps.create(tx, core.vault, project.id, _new_app(slug, body), core.settings)
    await connecting.connect(tx, core.vault, made, principal, None)
    return made


async def _update(tx: Tx, core: Core, principal: Principal, app: AppRow, body: DeployBySlugBody) -> AppRow:
    await _check_project(tx, app, body)
    await check_usable(tx, principal, body.registry_id, app.registry_id)
    repo_before = app.git_repo_url
    await apps.update(tx, core.vault, app, body, core.settings)
    await connecting.connect(tx, core.vault, app, principal, repo_before)
    return app


async def _find(tx: Tx, principal: Principal, slug: str) -> AppRow | None:
    try:
        return await lookup.to_change(tx, principal, slug, "write")
    except Problem as problem:
        if problem.code != "not_found":
            raise
        return None


def _check(slug: str, body: DeployBySlugBody) -> None:
    if body.slug not in {UNSET, slug}:
        raise invalid("/slug", f"is another than the path's {slug!r}")
    given = {name for name in body.__struct_fields__ if getattr(body, name) is not UNSET} - _ALWAYS
    if given and not body.create:
        errors = [FieldError(pointer=f"/{name}", detail="is taken with create: true alone") for name in sorted(given)]
        raise Problem("validation_failed", f"{', '.join(sorted(given))}: taken with create: true alone.", errors=errors)


async def _project(tx: Tx, principal: Principal, body: DeployBySlugBody) -> ProjectRow:
    ref = principal.project_id if isinstance(body.project, msgspec.UnsetType) else body.project
    if ref is None:
        raise invalid("/project", "is missing: the app does not exist, so say in which project it is to be made")
    return await projects.find_or_create(tx, principal, ref)


async def _check_project(tx: Tx, app: AppRow, body: DeployBySlugBody) -> None:
    if isinstance(body.project, msgspec.UnsetType):
        return
    project = await tx.session.get_one(ProjectRow, app.project_id)
    if body.project not in {project.id, project.name}:
        raise Problem("slug_taken", f"{app.slug} is in another project: {project.name}.")


def _new_app(slug: str, body: DeployBySlugBody) -> NewApp:
    try:
        msgspec.convert(slug, Slug)
    except msgspec.ValidationError as error:
        raise invalid("/slug", f"does not match {SLUG_PATTERN}") from error
    values: dict[str, Any] = {field.name: getattr(body, field.name) for field in msgspec.structs.fields(Settings)}
    if values["name"] is UNSET:
        values["name"] = slug
    return NewApp(**values, slug=slug)
