"""What a coding session is begun with: the user's key, the app's repository, and with whose login it is reached."""

import msgspec
from sqlalchemy import select

from libs.common.messages.codex import CodexRequest, CodexSource, Pushed
from services.api.apps import lookup
from services.api.apps import source as sources
from services.api.apps.models import AppRow
from services.api.codex import keys
from services.api.codex.schemas import Asked, PushedFrame
from services.api.core import Core
from services.api.git import connections, repository
from services.api.git.models import GitConnectionRow
from services.api.http.answers import database_away
from services.api.http.principal import Principal
from services.api.http.problems import Problem, invalid
from services.api.previews import service as previews
from services.api.terminals.service import note


async def request(core: Core, principal: Principal, app: AppRow, asked: Asked) -> CodexRequest:
    """`409 codex_not_configured`, `409 codex_key_missing`; `400` for a preview of an app that has no repository."""
    if not core.settings.codex_image:
        raise Problem("codex_not_configured", "DOCKUP_CODEX_IMAGE is not set on this server.")
    made = asked.request(core.settings.codex_image, await keys.sealed_of(core.db, principal.user_id))
    source = await _source(core, principal, app)
    if source is None and asked.preview:
        raise invalid("/preview", "is for apps with a git repository")
    return msgspec.structs.replace(made, source=source)


async def _source(core: Core, principal: Principal, app: AppRow) -> CodexSource | None:
    """The app's login reads for everybody who may write in the project, and pushes for the one alone whose it is."""
    source = sources.configured(app)
    if source is None:
        return None
    url = repository.clone_url(source.repository, core.settings.github_url)
    async with core.db.connect() as connection:
        login = await connections.login_of(connection, app.id, source.repo, url)
        query = select(GitConnectionRow.user_id).where(GitConnectionRow.id == app.git_connection_id)
        owner = (await connection.execute(query)).scalar_one_or_none() if login else principal.user_id
    return CodexSource(url=url, branch=source.branch, login=login, may_push=owner == principal.user_id)


async def on_push(core: Core, principal: Principal, app: AppRow, body: bytes, *, preview: bool) -> PushedFrame:
    """The session pushed: it stands in the audit, and becomes a preview where the client asked for that. The session goes on if not."""
    pushed = msgspec.json.decode(body, type=Pushed)
    frame = PushedFrame(branch=pushed.branch, commit=pushed.commit)
    try:
        await note(core, app, "codex.pushed", f"{pushed.branch} {pushed.commit}")
        return await _with_preview(core, principal, app, frame) if preview else frame
    except Exception as error:
        problem = error if isinstance(error, Problem) else database_away(error)
        if problem is None:
            raise
        missing = "There is no preview" if preview else "It does not stand in the audit"
        return msgspec.structs.replace(frame, detail=f"{missing}: {problem.detail}")


async def _with_preview(core: Core, principal: Principal, app: AppRow, frame: PushedFrame) -> PushedFrame:
    async with core.db.begin() as tx:
        parent = await lookup.to_change(tx, principal, app.id, "write")  # much may have happened since the session began
        made, deployment_id = await previews.of_branch(core, tx, parent, frame.branch, commit=frame.commit, actor=principal.actor)
        slug = made.slug
    return msgspec.structs.replace(frame, app=slug, url=core.settings.app_url(slug), deployment_id=deployment_id)
