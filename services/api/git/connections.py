"""Accounts at git hosts that users have connected: finding them, their tokens, and what apps use them."""

import time
from typing import TYPE_CHECKING

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from libs.common import clock, ids
from libs.common.messages.builder import GitLogin
from libs.common.secrets import Vault
from services.api.apps.models import AppRow
from services.api.db.locks import HELD, held
from services.api.db.tx import Tx
from services.api.git.github.server import Server
from services.api.git.models import GitConnectionRow
from services.api.git.schemas import Connection
from services.api.http.principal import Principal
from services.api.http.problems import not_found

if TYPE_CHECKING:
    from services.api.git.github.client import Token

GITHUB = "github"
_LOGIN_NAME = "x-access-token"
_BEFORE_ITS_END = 1800.0
"""Seconds before its end at which a token is made anew: a build that waits its turn must still have a good one."""


async def mine(session: AsyncSession, principal: Principal) -> list[Connection]:
    query = select(GitConnectionRow).where(GitConnectionRow.user_id == principal.user_id).order_by(GitConnectionRow.id)
    return [to_view(row) for row in (await session.execute(query)).scalars()]


async def find(session: AsyncSession, principal: Principal, connection_id: str) -> GitConnectionRow:
    """One of the caller's own; `404`."""
    query = select(GitConnectionRow).where(GitConnectionRow.id == connection_id, GitConnectionRow.user_id == principal.user_id)
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise not_found("connection", connection_id)
    return row


async def of_user(connection: AsyncConnection, user_id: str, provider: str = GITHUB) -> Row[str, str, str] | None:
    """Id, sealed token and server of the user's connection, if there is one."""
    columns = (GitConnectionRow.id, GitConnectionRow.token, GitConnectionRow.server)
    query = select(*columns).where(GitConnectionRow.user_id == user_id, GitConnectionRow.provider == provider)
    return (await connection.execute(query)).one_or_none()


async def login_of(connection: AsyncConnection, app_id: str, repo: str, url: str) -> str:
    """The sealed login for a build from `repo` at `url`; empty where the app has none, or it is for another repository or host."""
    query = (
        select(GitConnectionRow.login, GitConnectionRow.server, AppRow.git_repo_url, AppRow.git_user_repo)
        .join(AppRow, AppRow.git_connection_id == GitConnectionRow.id)
        .where(AppRow.id == app_id)
    )
    found = (await connection.execute(query)).one_or_none()
    if found is None or {found.git_repo_url, found.git_user_repo} != {repo} or not url.lower().startswith(f"{found.server.lower()}/"):
        return ""
    login: str = found.login
    return login


async def keep(tx: Tx, vault: Vault, user_id: str, *, server: Server, account: str, token: "Token") -> GitConnectionRow:
    """Make the user's connection, or put the new token into the one that there is."""
    query = select(GitConnectionRow).where(GitConnectionRow.user_id == user_id, GitConnectionRow.provider == GITHUB)
    row = (await tx.session.execute(held(query))).scalar_one_or_none()
    now = clock.now()
    if row is None:
        row = GitConnectionRow(id=ids.new("git"), user_id=user_id, provider=GITHUB, created_at=now)
        tx.session.add(row)
    row.server, row.account, row.updated_at = server.web, account, now
    put_token(row, vault, token)
    await tx.flush()
    tx.audit("git.connected", row.id)
    return row


def put_token(row: GitConnectionRow, vault: Vault, token: "Token") -> None:
    row.token = vault.seal(token)
    row.login = vault.seal(GitLogin(username=_LOGIN_NAME, password=token.access_token))
    row.scopes = token.scope or row.scopes or ""
    row.problem = None
    is_renewable = token.refresh_token is not None and token.expires_at is not None
    row.refresh_at = max((token.expires_at or 0.0) - _BEFORE_ITS_END, time.time() + 1) if is_renewable else None


async def forget(tx: Tx, revoked: GitConnectionRow) -> bool:
    """Take it away, with all use that apps make of it. False where it has another token by now, which is to be revoked first."""
    row = await tx.session.get(GitConnectionRow, revoked.id, with_for_update=HELD)
    if row is None:
        return True
    if row.token != revoked.token:
        return False
    await tx.session.execute(held(select(AppRow.id).where(AppRow.git_connection_id == row.id).order_by(AppRow.id)))
    await tx.session.execute(update(AppRow).where(AppRow.git_connection_id == row.id).values(git_connection_id=None))
    await tx.session.delete(row)
    tx.audit("git.disconnected", row.id)
    return True


def to_view(row: GitConnectionRow) -> Connection:
    return Connection(
        id=row.id,
        provider=row.provider,
        server=row.server,
        account=row.account,
        scopes=[scope for scope in row.scopes.replace(",", " ").split() if scope],
        problem=row.problem,
        created_at=row.created_at,
    )
