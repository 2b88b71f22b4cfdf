"""The query `logs`: what live replicas say and dead ones said."""

from libs.common import bounds, clock
from libs.common.bus import BusAway
from libs.common.engine.errors import EngineError
from libs.common.messages.runtime import LogLine, LogsAnswer, LogsQuery
from services.runtime import words
from services.runtime.reconcile import App
from services.runtime.spec import process_of
from services.runtime.world import World

_MOST_BYTES = 900_000


async def logs_of(world: World, app: App | None, query: LogsQuery) -> LogsAnswer:
    """The newest `tail` lines that fit into an answer."""
    found = await gather(world, app, query)
    return LogsAnswer(items=(), unknown_replica=True) if found is None else bounded(found, query.tail)


async def gather(world: World, app: App | None, query: LogsQuery, *, whole: bool = False) -> list[LogLine] | None:
    """Merge by time all that had to be read for the newest `tail` lines; None for a replica that nobody knows.

    `app` is None when it is gone or not known yet. `whole`: no line that has not ended yet.
    """
    alive = await _live(app, query, whole=whole) if app else []
    known = {(line.replica, line.at, line.message) for line in alive}
    dead = [line for line in await _dead(world, app, query) if (line.replica, line.at, line.message) not in known]
    if query.replica is not None and not _is_known(query.replica, app, dead):
        return None
    return sorted((line for line in dead + alive if _fits(line, query)), key=lambda line: clock.parse(line.at))


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


async def _live(app: App, query: LogsQuery, *, whole: bool) -> list[LogLine]:
    found: list[LogLine] = []
    for replica in list(app.view.replicas.values()):
        if query.deployment_id not in {None, replica.deployment_id} or query.replica not in {None, replica.name}:
            continue
        if query.process not in {None, replica.key.process}:
            continue
        try:
            found += await words.lines_of(
                app.world.engine, replica, app.masks, query.tail, since=query.since, stream=query.stream, whole=whole and replica.running
            )
        except EngineError:
            continue  # it went while we looked; its last words are in LOGS
    return found


async def _dead(world: World, app: App | None, query: LogsQuery) -> list[LogLine]:
    """Read what is kept, the newest deployment first, until there is enough of what is asked for. All of that replica, if of one."""
    deployments = (query.deployment_id,) if query.deployment_id else _deployments(query, app)
    found: list[LogLine] = []
    for deployment_id in deployments:
        try:
            kept = await words.recall(world.bus, deployment_id)
        except BusAway:
            break
        found += [line for line in kept if query.replica in {None, line.replica}]
        if sum(_fits(line, query) for line in found) >= query.tail:
            break
    return found


def _deployments(query: LogsQuery, app: App | None) -> tuple[str, ...]:
    releases = (app.desired.candidate, app.desired.current) if app else ()
    known = [release.deployment_id for release in releases if release is not None]
    return tuple(dict.fromkeys([*query.deployments, *known]))


def _is_known(name: str, app: App | None, dead: list[LogLine]) -> bool:
    return any(line.replica == name for line in dead) or (app is not None and any(it.name == name for it in app.view.replicas.values()))


def _fits(line: LogLine, query: LogsQuery) -> bool:
    return (
        query.stream in {None, line.stream}
        and query.replica in {None, line.replica}
        and (query.process is None or query.process == process_of(line.replica))
        and (query.since is None or clock.parse(line.at) >= clock.parse(query.since))
    )
