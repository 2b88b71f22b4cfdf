"""Takes previews away when their time is over or their parent goes, and keeps the comment on each pull request true."""

import time
from typing import Any

import structlog
from sqlalchemy import Row, and_, or_, select
from sqlalchemy.orm import aliased

from libs.common import clock
from libs.common.states import DeploymentStatus, Intent
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db import tries
from services.api.db.locks import held
from services.api.deployments.models import DeploymentRow
from services.api.git.connecting import connection_of
from services.api.previews import service
from services.api.previews.models import PreviewRow

_SHORT = 12
_WORDS = {
    DeploymentStatus.QUEUED: "is waiting to be built",
    DeploymentStatus.BUILDING: "is being built",
    DeploymentStatus.DEPLOYING: "is being started",
    DeploymentStatus.LIVE: "is live",
    DeploymentStatus.FAILED: "failed",
    DeploymentStatus.CANCELLED: "was cancelled",
    DeploymentStatus.SUPERSEDED: "was superseded",
}

logger = structlog.get_logger()


async def sweep(core: Core) -> None:
    """Begin to remove what is over."""
    parent, app = aliased(AppRow), aliased(AppRow)
    is_over = or_(PreviewRow.expires_at < time.time(), parent.intent == Intent.DELETED.value)
    query = (
        select(PreviewRow.app_id, parent.intent)
        .join(parent, parent.id == PreviewRow.parent_id)
        .join(app, app.id == PreviewRow.app_id)
        .where(and_(app.intent != Intent.DELETED.value, app.gone_at.is_(None), is_over))
        .limit(tries.MOST)
    )
    async with core.db.connect() as connection:
        rows = (await connection.execute(query)).all()
    for app_id, intent in rows:
        async with core.db.begin() as tx:
            row = (await tx.session.execute(held(select(AppRow).where(AppRow.id == app_id)))).scalar_one()
            preview = await tx.session.get_one(PreviewRow, app_id)
            if intent == Intent.DELETED or preview.expires_at < time.time():
                why = "the app is gone" if intent == Intent.DELETED else "nothing was pushed to it for its time to live"
                await service.remove(tx, row, why)


async def comment_due(core: Core) -> None:
    """Needs `core.hub` to be configured."""
    for row in await tries.due(core.db, PreviewRow, PreviewRow.done.is_(False)):
        app, newest = await _about(core, row)
        text = _text(core, row, app, newest)
        if row.told == text:
            if row.why_removed is not None:
                await tries.put(core.db, row, done=True)
        elif await tries.claim(core.db, row):
            await _try(core, row, app, text)


async def _about(core: Core, row: PreviewRow) -> tuple[AppRow, Row[Any] | None]:
    columns = (DeploymentRow.status, DeploymentRow.commit, DeploymentRow.finished_at)
    query = select(*columns).where(DeploymentRow.app_id == row.app_id).order_by(DeploymentRow.number.desc()).limit(1)
    async with core.db.read() as session:
        newest: Any = (await session.execute(query)).one_or_none()
        return await session.get_one(AppRow, row.app_id), newest


def _text(core: Core, row: PreviewRow, app: AppRow, newest: Row[Any] | None) -> str:
    if row.why_removed is not None:
        return f"The preview {app.slug} was removed: {row.why_removed}."
    if newest is None:
        return row.told
    state = _WORDS[DeploymentStatus(newest.status)]
    return (
        f"**Preview: {core.settings.app_url(app.slug)}**\n\n"
        f"Commit {(newest.commit or 'unknown')[:_SHORT]} {state}. The preview goes when the pull request is closed."
    )


async def _try(core: Core, row: PreviewRow, app: AppRow, text: str) -> None:
    from services.api.git.github.client import Away, Refused  # noqa: PLC0415 - only where GitHub is in use

    values: dict[str, object]
    try:
        comment_id = await _write(core, row, connection_of(app), text)
        values = {"told": text, "comment_id": comment_id, "attempts": 0, "next_at": time.time()}
    except Away as error:
        values = {"attempts": row.attempts + 1, "next_at": tries.later(row.attempts, error.seconds), "comment_id": row.comment_id}
    except Refused as error:
        logger.warning("preview.comment_refused", app_id=row.app_id, repo=row.repo, error=str(error), at=clock.now())
        values = {"done": True, "comment_id": None} if row.comment_id is None else {"comment_id": None, "next_at": time.time()}
    await tries.put(core.db, row, **values)


async def _write(core: Core, row: PreviewRow, connection_id: str | None, text: str) -> int | None:
    """One comment a pull request, written over each time."""
    from services.api.git import tokens  # noqa: PLC0415 - as above

    token = await tokens.token_of(core, connection_id)
    if token is None:
        return row.comment_id  # nobody's account: the address stands in the API
    call = core.hub.github().call
    if row.comment_id is not None:
        await call("PATCH", f"/repos/{row.repo}/issues/comments/{row.comment_id}", token, {"body": text})
        return row.comment_id
    made = await call("POST", f"/repos/{row.repo}/issues/{row.number}/comments", token, {"body": text})
    return int(made["id"])
