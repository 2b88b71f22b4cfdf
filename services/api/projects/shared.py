"""Variables that a project's apps share: set once, referred to by `${{ shared.NAME }}`, and frozen into each release that needs them."""

from collections.abc import Mapping

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock
from libs.common.references import names_in
from libs.common.secrets import Vault
from services.api.apps.grammar import merged_env
from services.api.apps.lookup import hold_all
from services.api.apps.models import AppRow
from services.api.apps.view import fingerprint_of
from services.api.db.tx import Tx
from services.api.deployments.moves import Frozen
from services.api.http.problems import FieldError, Problem
from services.api.projects.models import ProjectRow

_frozen = msgspec.json.Decoder(Frozen)
_versions = msgspec.json.Decoder(dict[str, int])
_REFERS = '%"shared":{"%'
"""What stands in the settings of an app that refers to any."""


def values_of(project: ProjectRow, vault: Vault) -> dict[str, str]:
    return vault.open(project.shared_env, dict[str, str]) if project.shared_env else {}


async def change(tx: Tx, project: ProjectRow, sent: Mapping[str, str | None]) -> bool:
    """Merge; None removes a name. Apps that refer to what changed are pending. `409 shared_variable_in_use` for one that is referred to."""
    before = values_of(project, tx.vault)
    after = merged_env(before, sent, "")
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if not changed:
        return False
    apps = await _referring(tx.session, project.id)
    _check_unused(apps, before.keys() - after.keys())
    versions = _versions.decode(project.shared_versions)
    versions |= {name: versions.get(name, 0) + 1 for name in changed}
    project.shared_env, project.shared_versions = tx.vault.seal(after), msgspec.json.encode(versions).decode()
    project.updated_at = clock.now()
    for app in apps:
        _put(app, {name: versions[name] for name in _frozen.decode(app.settings).shared})
    data: dict[str, object] = {"changed": sorted(changed)}
    tx.record("project.updated", f"Shared variables changed: {', '.join(sorted(changed))}.", project_id=project.id, data=data)
    return True


async def note(tx: Tx, app: AppRow) -> None:
    """See what the app's environment refers to, after it changed. `400` for what the project does not share.

    The app is locked, or its project is, so that what is found here is there until the transaction ends.
    """
    env = tx.vault.open(app.env, dict[str, str])
    wanted = {name: names for name, value in env.items() if (names := names_in(value))}
    if not wanted:
        _put(app, {})
        return
    project = await tx.session.get_one(ProjectRow, app.project_id)
    known = values_of(project, tx.vault).keys()
    errors = [
        FieldError(pointer=f"/env/{name}", detail=f"refers to {missing}, which the project does not share")
        for name, names in sorted(wanted.items())
        for missing in sorted(names - known)
    ]
    if errors:
        raise Problem("validation_failed", f"{errors[0].pointer[5:]} {errors[0].detail}.", errors=errors)
    versions = _versions.decode(project.shared_versions)
    _put(app, {name: versions[name] for name in sorted(set().union(*wanted.values()))})


async def freeze(tx: Tx, app: AppRow) -> str | None:
    """A token around what the app's environment refers to, as it is now; None when that is nothing."""
    names = _frozen.decode(app.settings).shared
    if not names:
        return None
    values = values_of(await tx.session.get_one(ProjectRow, app.project_id), tx.vault)
    return tx.vault.seal({name: values[name] for name in names if name in values})


async def _referring(session: AsyncSession, project_id: str) -> list[AppRow]:
    """Those that refer to any, locked. No other begins to: whoever changes an environment holds its app, or for a new one the project."""
    query = await hold_all(session, project_id)
    return list((await session.execute(query.where(AppRow.settings.like(_REFERS)))).scalars())


def _check_unused(apps: list[AppRow], gone: set[str]) -> None:
    for app in apps:
        used = sorted(gone & _frozen.decode(app.settings).shared.keys())
        if used:
            raise Problem("shared_variable_in_use", f"{app.slug} refers to {', '.join(used)}.")


def _put(app: AppRow, shared: dict[str, int]) -> None:
    before = _frozen.decode(app.settings)
    if before.shared != shared:
        app.settings = msgspec.json.encode(msgspec.structs.replace(before, shared=shared)).decode()
        app.fingerprint = fingerprint_of(app)
