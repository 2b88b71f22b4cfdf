"""The query `run_logs`: what a run says, or said last, without the secrets that it was given."""

import contextlib

from libs.common.bus import BusAway
from libs.common.engine import origin
from libs.common.engine.errors import EngineError, NotFound
from libs.common.messages.runtime import LogLine, LogsAnswer, RunLogsQuery
from services.runtime import words
from services.runtime.answers import bounded
from services.runtime.reconcile import App
from services.runtime.runs.errand import subject_of
from services.runtime.runs.runner import Runner
from services.runtime.world import World


async def run_logs(world: World, app: App | None, query: RunLogsQuery) -> LogsAnswer:
    """From the container while there is one, else what is kept; empty where nothing was said."""
    found = await _live(app, query) if app else None
    if found is None:
        try:
            found = await words.recall_one(world.bus, subject_of(query.run_id))
        except BusAway:
            found = []
    return bounded(found, query.tail)


async def _live(app: App, query: RunLogsQuery) -> list[LogLine] | None:
    runner = next((runner for runner in app.runs.runners.values() if runner.errand == query.run_id), None)
    if runner is None:
        return None
    try:
        await learn_secrets(app, runner)
        return await words.lines_of(app.world.engine, runner, app.masks, query.tail)
    except EngineError:
        return None  # it went while we looked; its log is kept


async def learn_secrets(app: App, runner: Runner) -> None:
    """The values that its container was given: its release may not be wanted any more. Where it is gone there is nothing to hide."""
    with contextlib.suppress(NotFound):
        app.masks.learn_env((await origin.read(app.world.engine, runner.id)).env, runner.secret)
