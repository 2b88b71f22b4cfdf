"""The query `logs`: what live replicas say and dead ones said."""

from libs.common import bounds, clock
from libs.common.bus import BusAway
from libs.common.engine.errors import EngineError
from libs.common.messages.runtime import LogLine, LogsAnswer, LogsQuery
from services.runtime import words
from services.runtime.reconcile import App
from services.runtime.world import World

_MOST_BYTES = 900_000


async def logs_of(world: World, app: App | None, query: LogsQuery) -> LogsAnswer:
    """Merge by time, the newest `tail` lines that fit into an answer; `app` is None when it is gone or not known yet."""
    alive = await _live(app, query) if app else []
    known = {(line.replica, line.at, line.message) for line in alive}
    dead = [line for line in await _dead(world, app, query) if (line.replica, line.at, line.message) not in known]
    found = sorted((line for line in dead + alive if _fits(line, query)), key=lambda line: clock.parse(line.at))
    return bounded(found, query.tail)


def bounded(lines: list[LogLine], tail: int) -> LogsAnswer:
    """Keep the newest lines, at most `tail` and at most 900 KB."""
    kept: list[LogLine] = []
    size = 0
    for line in reversed(lines[-tail:]):
        size += bounds.size(line) + 1
        if size > _MOST_BYTES:
            break
        kept.append(line)
    return LogsAnswer(items=tuple(reversed(kept)), truncated=len(kept) < min(tail, len(lines)))


async def _live(app: App, query: LogsQuery) -> list[LogLine]:
    found: list[LogLine] = []
    for replica in list(app.view.replicas.values()):
        if query.deployment_id not in {None, replica.deployment_id}:
            continue
        try:
            found += await words.lines_of(app.world.engine, replica, app.masks, query.tail, query.since)
        except EngineError:
            continue  # it went while we looked; its last words are in LOGS
    return found


async def _dead(world: World, app: App | None, query: LogsQuery) -> list[LogLine]:
    """Read what is kept, the newest deployment first, until there is enough."""
    deployments = (query.deployment_id,) if query.deployment_id else _deployments(query, app)
    found: list[LogLine] = []
    for deployment_id in deployments:
        try:
            found += await words.recall(world.bus, deployment_id)
        except BusAway:
            break
        if len(found) >= query.tail:
            break
    return found


def _deployments(query: LogsQuery, app: App | None) -> tuple[str, ...]:
    releases = (app.desired.candidate, app.desired.current) if app else ()
    known = [release.deployment_id for release in releases if release is not None]
    return tuple(dict.fromkeys([*query.deployments, *known]))


def _fits(line: LogLine, query: LogsQuery) -> bool:
    return (
        query.stream in {None, line.stream}
        and query.replica in {None, line.replica}
        and (query.since is None or clock.parse(line.at) >= clock.parse(query.since))
    )
