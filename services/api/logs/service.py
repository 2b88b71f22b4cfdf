"""Asks the runtime for what an app's replicas have written."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.bus import Bus, NoAnswer
from libs.common.messages.runtime import LogsAnswer, LogsQuery
from services.api.core import Core
from services.api.deployments.models import DeploymentRow
from services.api.http.problems import Problem, not_found
from services.api.logs.schemas import StreamQuery

_PATIENCE_SECONDS = 5.0
_DEPLOYMENTS = 5


async def last_deployments(session: AsyncSession, app_id: str) -> tuple[str, ...]:
    """The newest first: the runtime looks for the last words of their dead replicas."""
    statement = select(DeploymentRow.id).where(DeploymentRow.app_id == app_id).order_by(DeploymentRow.number.desc()).limit(_DEPLOYMENTS)
    return tuple((await session.execute(statement)).scalars())


async def check_deployment(session: AsyncSession, app_id: str, deployment_id: str) -> None:
    """`404` unless it is one of the app's."""
    statement = select(DeploymentRow.id).where(DeploymentRow.app_id == app_id, DeploymentRow.id == deployment_id)
    if (await session.execute(statement)).scalar_one_or_none() is None:
        raise not_found("deployment", deployment_id)


async def query_of(core: Core, app_id: str, asked: StreamQuery) -> LogsQuery:
    async with core.db.read() as session:
        deployments = await last_deployments(session, app_id)
    return LogsQuery(
        app_id=app_id,
        tail=asked.lines,
        since=asked.since,
        stream=asked.stream,
        replica=asked.replica,
        process=asked.process,
        deployments=deployments,
    )


async def read(bus: Bus, query: LogsQuery) -> LogsAnswer:
    """`404` for a replica that nobody knows; `503 runtime_unavailable` when no runtime answers in five seconds."""
    try:
        answer = await bus.query("runtime", "logs", query, LogsAnswer, timeout=_PATIENCE_SECONDS)
    except NoAnswer as error:
        raise away() from error
    if answer.unknown_replica:
        raise not_found("replica", query.replica or "")
    return answer


def away() -> Problem:
    detail = "The logs are with the runtime, which does not answer now; the app is not affected."
    return Problem("runtime_unavailable", detail, headers={"Retry-After": "2"})
