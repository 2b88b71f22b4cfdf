"""Tells GitHub what became of deployments: a commit status, and a Deployment with its address.

One at a time for each commit, the newest state only; again until it is taken, and given up when GitHub does not want it.
"""

import time
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, Select, select

from libs.common.states import DeploymentStatus
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db import tries
from services.api.deployments.models import DeploymentRow
from services.api.git import tokens
from services.api.git.github.client import Away, Refused
from services.api.git.models import ReportRow

_LONGEST = 140
_NONE = 0
"""In place of the id of a Deployment that GitHub does not want."""

logger = structlog.get_logger()


class State(msgspec.Struct, frozen=True):
    """How GitHub calls it: of a commit, of a Deployment; whether it is the end."""

    commit: str
    deployment: str
    text: str
    is_end: bool = False


_STATES = {
    DeploymentStatus.QUEUED: State("pending", "queued", "Waiting to be built"),
    DeploymentStatus.BUILDING: State("pending", "in_progress", "Building"),
    DeploymentStatus.DEPLOYING: State("pending", "in_progress", "Starting"),
    DeploymentStatus.LIVE: State("success", "success", "Live", is_end=True),
    DeploymentStatus.FAILED: State("failure", "failure", "Failed", is_end=True),
    DeploymentStatus.CANCELLED: State("error", "inactive", "Cancelled", is_end=True),
    DeploymentStatus.SUPERSEDED: State("error", "inactive", "A newer deployment took its place", is_end=True),
}
_COLUMNS = (
    DeploymentRow.status,
    DeploymentRow.commit,
    DeploymentRow.number,
    DeploymentRow.failure,
    AppRow.id,
    AppRow.slug,
    AppRow.preview_of,
)


async def tell_due(core: Core) -> None:
    for row in sorted(await tries.due(core.db, ReportRow, ReportRow.done.is_(False)), key=lambda row: row.deployment_id):
        about = await _about(core, row)
        if about is None or about.commit is None or about.status == row.told:
            await _wait(core, row, about)
        elif await tries.claim(core.db, row):
            await _try(core, row, about)


async def _about(core: Core, row: ReportRow) -> Row[Any] | None:
    query: Select[*tuple[Any, ...]] = select(*_COLUMNS).join(AppRow, AppRow.id == DeploymentRow.app_id)
    async with core.db.connect() as connection:
        return (await connection.execute(query.where(DeploymentRow.id == row.deployment_id))).one_or_none()


async def _wait(core: Core, row: ReportRow, about: Row[Any] | None) -> None:
    """Nothing is new; one that ended without a commit has nobody to tell."""
    if about is None or _STATES[DeploymentStatus(about.status)].is_end:
        await tries.put(core.db, row, done=True)


async def _try(core: Core, row: ReportRow, about: Row[Any]) -> None:
    state = _STATES[DeploymentStatus(about.status)]
    values: dict[str, object]
    try:
        github_id = await _tell(core, row, about, state)
        values = {"told": about.status, "github_id": github_id, "attempts": 0, "done": state.is_end, "next_at": time.time()}
    except Away as error:
        values = {"attempts": row.attempts + 1, "next_at": tries.later(row.attempts, error.seconds), "github_id": row.github_id}
    except Refused as error:
        await tokens.note(core, row.connection_id, error)
        logger.warning("report.refused", deployment_id=row.deployment_id, repo=row.repo, error=str(error))
        values = {"done": True}
    await tries.put(core.db, row, **values)


async def _tell(core: Core, row: ReportRow, about: Row[Any], state: State) -> int | None:
    token = await tokens.token_of(core, row.connection_id)
    if token is None:
        raise Refused(0, "the connection is gone")
    call = core.hub.github().call
    text = _text(state, about.failure)
    log_url = f"{core.settings.url}/api/v1/deployments/{row.deployment_id}"
    app_url = core.settings.app_url(about.slug)
    if not await _has_newer(core, about):
        url = app_url if state.commit == "success" else log_url
        status = {"state": state.commit, "target_url": url, "description": text, "context": f"dockup/{about.slug}"}
        await call("POST", f"/repos/{row.repo}/statuses/{about.commit}", token, status)
    told = {"state": state.deployment, "log_url": log_url, "environment_url": app_url, "description": text, "auto_inactive": True}
    try:
        if row.github_id is None:
            row.github_id = (await call("POST", f"/repos/{row.repo}/deployments", token, _deployment(about)))["id"]
        if row.github_id:
            await call("POST", f"/repos/{row.repo}/deployments/{row.github_id}/statuses", token, told)
    except Refused as error:
        # A commit status needs less of a token than a Deployment: it goes on alone.
        logger.warning("report.no_deployment", deployment_id=row.deployment_id, repo=row.repo, error=str(error))
        row.github_id = _NONE
    return row.github_id


def _deployment(about: Row[Any]) -> dict[str, object]:
    is_preview = about.preview_of is not None
    return {
        "ref": about.commit,
        "environment": about.slug,
        "auto_merge": False,
        "required_contexts": [],
        "transient_environment": is_preview,
        "production_environment": not is_preview,
        "description": "Deployed by Dockup",
    }


async def _has_newer(core: Core, about: Row[Any]) -> bool:
    """What an older deployment of the same commit has to say would hide what the newer one said."""
    query = select(DeploymentRow.id).where(
        DeploymentRow.app_id == about.id, DeploymentRow.commit == about.commit, DeploymentRow.number > about.number
    )
    async with core.db.connect() as connection:
        return (await connection.execute(query.limit(1))).first() is not None


def _text(state: State, failure: str | None) -> str:
    if failure is None:
        return state.text
    found = msgspec.json.decode(failure)
    return f"{state.text}: {found['code']}: {found['message']}"[:_LONGEST]
