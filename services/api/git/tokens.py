"""Making tokens anew before they end, and giving the good ones to the work in the background."""

import time

import structlog
from sqlalchemy import select, update

from services.api.core import Core
from services.api.db import tries
from services.api.db.locks import HELD
from services.api.git import connections
from services.api.git.github.client import Away, Refused, Token
from services.api.git.models import GitConnectionRow

_UNAUTHORIZED = 401

logger = structlog.get_logger()


async def refresh_due(core: Core) -> None:
    """Make anew the tokens whose time has come. One that GitHub does not renew is a connection with a `problem`."""
    query = select(GitConnectionRow).where(GitConnectionRow.refresh_at <= time.time())
    async with core.db.read() as session:
        rows = list((await session.execute(query)).scalars())
    for row in rows:
        # A refresh token is good once: only who moves the time may use it.
        if await tries.claim(core.db, row, "refresh_at"):
            await _refresh(core, row)


async def _refresh(core: Core, row: GitConnectionRow) -> None:
    old = core.vault.open(row.token, Token)
    try:
        new = await core.hub.github().refresh(old.refresh_token or "")
    except Away as error:
        logger.warning("git.not_refreshed", connection_id=row.id, error=str(error))
        return
    except Refused as error:
        await _spoil(core, row.id, f"the token could not be renewed: {error}")
        return
    async with core.db.begin() as tx:
        there = await tx.session.get(GitConnectionRow, row.id, with_for_update=HELD)
        if there is not None and there.token == row.token:
            connections.put_token(there, core.vault, new)


async def token_of(core: Core, connection_id: str | None) -> str | None:
    """The access token of a connection; None when it is gone."""
    query = select(GitConnectionRow.token).where(GitConnectionRow.id == connection_id)
    async with core.db.connect() as connection:
        sealed = (await connection.execute(query)).scalar_one_or_none()
    return core.vault.open(sealed, Token).access_token if sealed else None


async def note(core: Core, connection_id: str | None, error: Refused) -> None:
    """A token that GitHub does not know any more is told to its user."""
    if error.status == _UNAUTHORIZED and connection_id:
        await _spoil(core, connection_id, "GitHub does not take the token any more: connect again")


async def _spoil(core: Core, connection_id: str, problem: str) -> None:
    logger.warning("git.connection_broken", connection_id=connection_id, problem=problem)
    async with core.db.begin() as tx:
        values = {"problem": problem, "refresh_at": None}
        await tx.connection.execute(update(GitConnectionRow).where(GitConnectionRow.id == connection_id).values(**values))
