"""Asks the runtime for what an app's replicas have written."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock
from libs.common.bus import Bus, NoAnswer
from libs.common.messages.runtime import LogsAnswer, LogsQuery
from services.api.deployments.models import DeploymentRow
from services.api.http.problems import Problem, invalid
from services.api.logs.schemas import Logs

_PATIENCE_SECONDS = 5.0
_DEPLOYMENTS = 5


async def last_deployments(session: AsyncSession, app_id: str) -> tuple[str, ...]:
    """The newest first: the runtime looks for the last words of their dead replicas."""
    statement = select(DeploymentRow.id).where(DeploymentRow.app_id == app_id).order_by(DeploymentRow.number.desc()).limit(_DEPLOYMENTS)
    return tuple((await session.execute(statement)).scalars())


async def read(bus: Bus, query: LogsQuery) -> Logs:
    """`503 runtime_unavailable` when no runtime answers in five seconds."""
    if query.since is not None:
        _check_time(query.since)
    try:
        answer = await bus.query("runtime", "logs", query, LogsAnswer, timeout=_PATIENCE_SECONDS)
    except NoAnswer as error:
        detail = "The logs are with the runtime, which does not answer now; the app is not affected."
        raise Problem("runtime_unavailable", detail, headers={"Retry-After": "2"}) from error
    return Logs(items=list(answer.items), truncated=answer.truncated)


def as_text(logs: Logs) -> str:
    """The messages alone, a line each."""
    return "".join(f"{line.message}\n" for line in logs.items)


def _check_time(since: str) -> None:
    try:
        clock.parse(since)
    except ValueError as error:
        raise invalid("/since", "takes a time in RFC 3339 with its zone, such as 2030-01-01T00:00:00Z") from error
