"""An app and its repository: with whose account it is read, and the webhook that is wanted there.

A connection is used for the repository that its own user chose, and for no other: whoever puts another repository into an app
brings their own.
"""

import secrets

from sqlalchemy import select

from libs.common.secrets import Vault
from services.api.apps.models import AppRow
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.git import connections
from services.api.git.connections import GITHUB
from services.api.git.models import GitConnectionRow
from services.api.http.principal import Principal
from services.api.previews import settings
from services.api.webhooks.models import WebhookRow

_SECRET_BYTES = 32
_NO_CONNECTION = "nobody who may has connected GitHub: open GET /api/v1/git/authorize/github, or make it by hand"
_BY_HAND = "make it by hand: Dockup makes webhooks at GitHub alone"


async def connect(tx: Tx, vault: Vault, app: AppRow, principal: Principal, repo_before: str | None) -> None:
    """Call it when an app was made or its settings changed; `repo_before` is what its `git_repo_url` was."""
    if app.git_repo_url is None and repo_before is None:
        return
    if app.git_repo_url != repo_before:
        app.git_user_id, app.git_user_repo, app.git_connection_id = principal.user_id, app.git_repo_url, None
    if app.git_connection_id is None and app.git_user_id == principal.user_id and app.git_provider == GITHUB:
        found = await connections.of_user(tx.connection, principal.user_id)
        app.git_connection_id = found.id if found else None
    await want(tx, vault, app)


async def connect_waiting(tx: Tx, vault: Vault, connection: GitConnectionRow) -> None:
    """Give it to the apps whose repository at GitHub this user chose."""
    is_waiting = (
        AppRow.git_user_id == connection.user_id,
        AppRow.git_provider == GITHUB,
        AppRow.git_repo_url.is_not(None),
        AppRow.gone_at.is_(None),
        AppRow.preview_of.is_(None),
    )
    query = held(select(AppRow).where(*is_waiting).order_by(AppRow.id))
    for app in (await tx.session.execute(query)).scalars():
        app.git_connection_id = connection.id
        await want(tx, vault, app)


def connection_of(app: AppRow) -> str | None:
    """The connection that counts for the repository that the app has now: a rollback may have brought another one back."""
    return app.git_connection_id if app.git_user_repo == app.git_repo_url else None


async def want(tx: Tx, vault: Vault, app: AppRow) -> WebhookRow | None:
    """Write down what is wanted at the host; a loop makes it so. None for an app that never had a repository."""
    row = await tx.session.get(WebhookRow, app.id)
    if row is None:
        if app.git_repo_url is None or app.preview_of is not None:
            return None
        row = WebhookRow(app_id=app.id, secret=vault.seal(secrets.token_urlsafe(_SECRET_BYTES)), state="manual", attempts=0, next_at=0.0)
        tx.session.add(row)
    await tx.flush()
    connection_id = connection_of(app)
    wished = connection_id is not None and app.git_repo_url is not None and (app.auto_deploy or settings.of(app).enabled)
    is_same = (row.connection_id, row.repo) == (connection_id, app.git_repo_url)
    if wished and not (is_same and row.state in {"active", "wanted"}):
        # One that is at another repository is left to be taken away first.
        row.state, row.attempts, row.next_at, row.detail = "wanted", 0, 0.0, "it is being made at GitHub"
    elif not wished and row.hook_id is not None:
        row.state, row.attempts, row.next_at, row.detail = "unwanted", 0, 0.0, "it is being removed at GitHub"
    elif not wished:
        row.state, row.detail = "manual", _why_not(app)
    return row


def _why_not(app: AppRow) -> str:
    if app.git_repo_url is None:
        return "the app has no repository"
    if app.git_provider != GITHUB:
        return _BY_HAND
    return _NO_CONNECTION if connection_of(app) is None else "auto_deploy is off"
