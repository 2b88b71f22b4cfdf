"""Makes the webhooks at GitHub as the rows want them."""

from typing import Any

import structlog

from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db import tries
from services.api.git import tokens
from services.api.git.connecting import connection_of
from services.api.git.github.client import Away, Refused
from services.api.webhooks import service
from services.api.webhooks.models import WebhookRow
from services.api.webhooks.providers import PROVIDERS

_MOST_TRIES = 8
_NOT_FOUND, _UNPROCESSABLE = 404, 422

logger = structlog.get_logger()


async def make_due(core: Core) -> None:
    for row in await tries.due(core.db, WebhookRow, WebhookRow.state.in_(("wanted", "unwanted"))):
        if await tries.claim(core.db, row):
            await _try(core, row)


async def _try(core: Core, row: WebhookRow) -> None:
    try:
        values = await (_make(core, row) if row.state == "wanted" else _remove(core, row))
    except Away as error:
        values = {
            "attempts": row.attempts + 1,
            "next_at": tries.later(row.attempts, error.seconds),
            "detail": f"{error}; it is tried again",
        }
    except Refused as error:
        await tokens.note(core, row.connection_id, error)
        logger.warning("webhook.not_made", app_id=row.app_id, repo=row.repo, error=str(error))
        values = {"state": "failed", "detail": _advice(error), "attempts": row.attempts + 1}
    await tries.put(core.db, row, **values)


async def _make(core: Core, row: WebhookRow) -> dict[str, object]:
    """Make it, or find the one that is there: a row that was tried before may have been made and not noted."""
    async with core.db.read() as session:
        app = await session.get_one(AppRow, row.app_id)
    connection_id, repo = connection_of(app), app.git_repo_url
    if row.hook_id is not None and row.repo != repo:
        await _remove(core, row)
    token = await tokens.token_of(core, connection_id)
    if token is None or repo is None:
        return {"state": "manual", "detail": "the connection is gone", "hook_id": None}
    github, address = core.hub.github(), service.address(core, app.id, "github")
    config = {"url": address, "content_type": "json", "secret": core.vault.open(row.secret, str), "insecure_ssl": "0"}
    body = {"name": "web", "active": True, "events": list(PROVIDERS["github"].events), "config": config}
    there: list[dict[str, Any]] = await github.call("GET", f"/repos/{repo}/hooks", token, None, per_page=100)
    same = next((hook["id"] for hook in there if hook["config"].get("url") == address), None)
    if same is None:
        made = await github.call("POST", f"/repos/{repo}/hooks", token, body)
    else:
        made = await github.call("PATCH", f"/repos/{repo}/hooks/{same}", token, body)
    logger.info("webhook.made", app_id=row.app_id, repo=repo)
    return {"state": "active", "detail": "", "hook_id": made["id"], "repo": repo, "connection_id": connection_id, "attempts": 0}


async def _remove(core: Core, row: WebhookRow) -> dict[str, object]:
    token = await tokens.token_of(core, row.connection_id)
    if token is not None and row.hook_id is not None:
        try:
            await core.hub.github().call("DELETE", f"/repos/{row.repo}/hooks/{row.hook_id}", token)
        except Refused as error:
            if error.status != _NOT_FOUND:
                raise
    return {
        "state": "manual",
        "detail": "it is not wanted: auto_deploy and previews are off, or the repository is another",
        "hook_id": None,
    }


def _advice(error: Refused) -> str:
    if error.status == _NOT_FOUND:
        return f"{error}. Your account at GitHub needs to be an admin of the repository; or make it by hand."
    if error.status == _UNPROCESSABLE:
        return f"{error}. GitHub takes no address that it cannot reach, and 20 webhooks a repository at most."
    return f"{error}. Make it by hand, or connect again and save the app."
