"""The log of a run on its way to LOGS: each line once, whoever was killed in between."""

import structlog

from libs.common import bounds
from libs.common.engine.errors import EngineError, NotFound
from services.runtime import words
from services.runtime.reconcile import App
from services.runtime.runs.answers import learn_secrets
from services.runtime.runs.errand import subject_of
from services.runtime.runs.memory import Told
from services.runtime.runs.runner import Runner
from services.runtime.runs.steps import TellLines

_MOST_BYTES = 5_000_000
"""What is told of one that still runs; its last words come on top of that."""

logger = structlog.get_logger()


async def tell_so_far(app: App, step: TellLines) -> None:
    """What a release command has written by now: whoever deploys is waiting for it."""
    runner = app.runs.runners.get(step.container)
    if runner is None:
        return
    told = app.runs.told.get(runner.errand)
    if told is None or told.size < _MOST_BYTES:
        await tell_lines(app, runner)
    app.runs.change(runner.id, told_at=app.world.clock.seconds())


async def tell_lines(app: App, runner: Runner) -> None:
    """Store the last lines that were not stored before. What cannot be had, or is not taken, is lost, and the log says so.

    `EngineAway` and `BusAway` while they are away.
    """
    bus, subject = app.world.bus, subject_of(runner.errand)
    told = app.runs.told.get(runner.errand)
    if told is None:
        told = app.runs.told[runner.errand] = Told(await words.recall_one(bus, subject))
    try:
        await learn_secrets(app, runner)
        lines = await words.lines_of(app.world.engine, runner, app.masks, words.MOST_LINES)
    except NotFound:
        logger.info("runtime.gone_already", replica=runner.name)
        return
    except EngineError as error:
        logger.error("runtime.words_lost", replica=runner.name, error=str(error))  # noqa: TRY400 - no bug of ours
        return
    fresh = [line for line in lines if line not in told.lines]
    if not await words.store(bus, subject, fresh, f"{runner.id[:12]}.words.{len(told.lines)}"):
        logger.error("runtime.words_lost", replica=runner.name, error="the bus does not take them")
    told.lines.update(fresh)
    told.size += sum(bounds.size(line) for line in fresh)
