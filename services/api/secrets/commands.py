"""Commands of an app as others may read them: without what its variables say, and without what looks like a secret in them."""

import shlex
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.masking import Masker
from libs.common.messages.api import Release
from libs.common.secrets import MASK, UnreadableError, Vault, is_secret_name
from services.api.apps.models import AppRow
from services.api.deployments.moves import Frozen
from services.api.http.principal import Principal
from services.api.projects.access import Standing
from services.api.projects.models import ProjectRow
from services.api.secrets import typed

_frozen = msgspec.json.Decoder(Frozen)
_release = msgspec.json.Decoder(Release)
Shown = Callable[[Sequence[str]], list[str]]


async def told(session: AsyncSession, vault: Vault, app: AppRow, command: Sequence[str]) -> str:
    """For the audit, as a shell would be told it."""
    return shlex.join((await _hidden(session, vault, app))(command))


async def shown_to(session: AsyncSession, vault: Vault, app: AppRow, principal: Principal, having: Standing) -> Shown:
    """How the principal reads commands that somebody typed: as they are, who may read the values of the environment as well."""
    if principal.may("write") and having.may("write"):
        return list
    return await _hidden(session, vault, app)


async def _hidden(session: AsyncSession, vault: Vault, app: AppRow) -> Shown:
    """Of an app whose variables no key opens the program alone is shown."""
    project = await session.get_one(ProjectRow, app.project_id)
    try:
        masker = Masker(_values(vault, app, project))
    except UnreadableError:
        return lambda command: [*command[:1], *([MASK] if len(command) > 1 else ())]
    return lambda command: typed.hidden(command, masker)


def _values(vault: Vault, app: AppRow, project: ProjectRow) -> set[str]:
    """What is secret of now, and of what runs."""
    releases = [_release.decode(text) for text in (app.current, app.candidate) if text]
    marked = {*_frozen.decode(app.settings).env_secret, *(name for release in releases for name in release.env_secret)}
    tokens = {app.env, project.shared_env, *(token for release in releases for token in (release.env, release.shared))}
    found = [(name, value) for token in tokens if token for name, value in vault.open(token, dict[str, str]).items()]
    return {value for name, value in found if is_secret_name(name) or name in marked}
