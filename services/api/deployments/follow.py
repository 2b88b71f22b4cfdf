"""Waiting for the end of a deployment, and what is answered then."""

import msgspec
from litestar import Response
from sqlalchemy import select

from libs.common.states import ENDED, DeploymentStatus
from services.api.core import Core
from services.api.deployments import service
from services.api.deployments.models import DeploymentRow
from services.api.deployments.schemas import Deployment
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.idempotency import Answer

_PROBLEMS = {
    DeploymentStatus.FAILED: "deployment_failed",
    DeploymentStatus.SUPERSEDED: "deployment_superseded",
    DeploymentStatus.CANCELLED: "deployment_cancelled",
}


async def follow(core: Core, principal: Principal, deployment_id: str, seconds: float, headers: dict[str, str]) -> Response[Deployment]:
    """Hold the answer until the deployment has ended: 200 when it is live, 202 when it still runs after `seconds`.

    `422 deployment_failed`, `409 deployment_superseded` or `deployment_cancelled`, each with `deployment`.
    """

    async def ended() -> bool | None:
        query = select(DeploymentRow.status).where(DeploymentRow.id == deployment_id)
        async with core.db.connect() as connection:
            status = (await connection.execute(query)).scalar_one_or_none()
        return True if status is None or status in ENDED else None

    await core.wakes.until(deployment_id, seconds, ended)
    async with core.db.read() as session:
        deployment = await service.get(session, principal, deployment_id, core.settings)
    return _answer(deployment, headers)


def _answer(deployment: Deployment, headers: dict[str, str]) -> Response[Deployment]:
    status = DeploymentStatus(deployment.status)
    if status in _PROBLEMS:
        detail = deployment.failure.message if deployment.failure else ""
        hint = deployment.failure.hint if deployment.failure else ""
        raise Problem(_PROBLEMS[status], detail, hint=hint, headers=headers, deployment=deployment)
    is_live = status is DeploymentStatus.LIVE
    return reply(Answer(status=200 if is_live else 202, body=msgspec.json.encode(deployment), headers=headers))
