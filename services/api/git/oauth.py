"""Connecting an account: OAuth with PKCE, and a state that is good once, for ten minutes, for one user and, after a login, one browser."""

import hashlib
import secrets
import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from libs.common import clock
from services.api.accounts.models import SessionRow, UserRow
from services.api.core import Core
from services.api.db.locks import held
from services.api.git import connecting, connections
from services.api.git.models import GitConnectionRow, GitStateRow
from services.api.http.principal import Principal
from services.api.http.problems import Problem, invalid

if TYPE_CHECKING:
    from services.api.git.github.client import Token

KEPT_SECONDS = 600
_MOST = 20
"""Authorizations of one user that wait at the same time."""
_BYTES = 32


async def begin(core: Core, principal: Principal, *, in_browser: bool) -> tuple[str, str | None]:
    """Where the user is to go; and, for one who asks `in_browser`, the cookie that it has to come back with."""
    github = core.hub.github()
    state, verifier = secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(2 * _BYTES)
    browser = secrets.token_urlsafe(_BYTES) if in_browser else None
    row = GitStateRow(
        id=_hash(state),
        user_id=principal.user_id,
        session_id=principal.session_id,
        browser=_hash(browser) if browser else None,
        verifier=core.vault.seal(verifier),
        created_at=time.time(),
    )
    async with core.db.begin() as tx:
        await tx.connection.execute(delete(GitStateRow).where(GitStateRow.created_at < row.created_at - KEPT_SECONDS))
        old = (
            select(GitStateRow.id).where(GitStateRow.user_id == principal.user_id).order_by(GitStateRow.created_at.desc()).offset(_MOST - 1)
        )
        too_many = (await tx.connection.execute(old)).scalars().all()
        await tx.connection.execute(delete(GitStateRow).where(GitStateRow.id.in_(too_many)))
        tx.session.add(row)
    # Otherwise there is no browser to know again: GitHub asks, so that nobody agrees by following a link.
    return github.authorize_url(state, verifier, choose=browser is None), browser


async def finish(core: Core, code: str | None, state: str | None, error: str | None, browser: str | None) -> GitConnectionRow:
    """Take what GitHub sent the browser back with. `400 oauth_failed`, `503 github_unavailable`."""
    if not state:
        raise invalid("/state", "is missing")
    found = await _take(core, state, browser)
    if error or not code:
        raise Problem("oauth_failed", f"GitHub said: {error or 'nothing, not even a code'}.")
    github = core.hub.github()
    from services.api.git.github.client import Away, Refused  # noqa: PLC0415 - loaded by the line before

    try:
        token = await github.redeem(code, core.vault.open(found.verifier, str))
        account = await github.call("GET", "/user", token.access_token)
    except Refused as refusal:
        raise Problem("oauth_failed", f"{refusal}.") from refusal
    except Away as away:
        raise Problem("github_unavailable", f"{away}.") from away
    return await _keep(core, found.user_id, str(account["login"]), token)


async def _take(core: Core, state: str, browser: str | None) -> GitStateRow:
    """The row of the state, which is then used up, whatever comes after."""
    async with core.db.begin() as tx:
        row = (await tx.session.execute(held(select(GitStateRow).where(GitStateRow.id == _hash(state))))).scalar_one_or_none()
        if row is None:
            raise Problem("oauth_failed", "The state is unknown, was used already, or is over.")
        if row.browser is not None and not secrets.compare_digest(row.browser, _hash(browser or "")):
            raise Problem("oauth_failed", "This is not the browser in which it was begun.")
        await tx.session.delete(row)
        query = select(UserRow.id).where(UserRow.id == row.user_id, UserRow.disabled.is_(False))
        is_there = (await tx.connection.execute(query)).first()
        session = select(SessionRow.id).where(SessionRow.id == row.session_id, SessionRow.expires_at > clock.now())
        if row.session_id is not None and (await tx.connection.execute(session)).first() is None:
            is_there = None
    if is_there is None or row.created_at < time.time() - KEPT_SECONDS:
        raise Problem("oauth_failed", "The state is over, or the login with which it was begun has ended.")
    return row


async def _keep(core: Core, user_id: str, account: str, token: "Token") -> GitConnectionRow:
    async with core.db.begin() as tx:
        row = await connections.keep(tx, core.vault, user_id, server=core.hub.github().server, account=account, token=token)
        await connecting.connect_waiting(tx, core.vault, row)
        return row


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
