"""The end of a replica: stopped, its last words kept, removed."""

import asyncio
import time

import structlog

from libs.common.engine import containers
from libs.common.engine.errors import EngineError, NotFound
from libs.common.states import Intent, ReplicaState
from services.runtime import facts, words
from services.runtime.reconcile import App
from services.runtime.replica import Replica
from services.runtime.steps import Retire

TERM_SECONDS = 10.0
_FIRST_LOOK, _LONGEST_LOOK, _GROWTH = 0.05, 1.0, 1.5

logger = structlog.get_logger()


async def retire(app: App, step: Retire) -> None:
    """Each part is harmless to repeat: after a crash in between the next look begins again."""
    replica = app.view.change(step.container, leaving=True)
    if replica is None:
        return
    try:
        await _end(app, replica, hasty=not step.keep_words)
        if step.keep_words and replica.state != ReplicaState.CREATED:
            await words.keep(app.world.bus, app.world.engine, replica, app.masks, words.subject_of(replica))
        await app.world.tails.drained(app.desired.app_id, step.container)
        await containers.remove(app.world.engine, step.container)
    except NotFound:
        logger.info("runtime.gone_already", replica=replica.name)
    app.view.replicas.pop(step.container, None)
    app.world.networks.release(replica.address)
    app.teller.tell(facts.removed(app.desired.app_id, replica))


async def _end(app: App, replica: Replica, *, hasty: bool) -> None:
    """Where the engine refuses to stop it in peace, the removal that follows ends it by force. `hasty`: nobody wants its work any more."""
    try:
        if not replica.key.is_web and replica.running and not hasty and replica.drain_seconds > TERM_SECONDS:
            await _let_end(app, replica)
        await stop(app, replica)
    except NotFound:
        raise
    except EngineError as error:
        logger.warning("runtime.not_stopped", replica=replica.name, error=str(error))


async def _let_end(app: App, replica: Replica) -> None:
    """TERM, and `drain_seconds` less the last ten to end what it works on: no router says when one that takes no requests is idle.

    No thread waits for it meanwhile, and no place among those that are being stopped: it may be an hour.
    """
    await _keep_down(app, replica)
    await containers.kill(app.world.engine, replica.id, "TERM")
    until, gap = time.monotonic() + replica.drain_seconds - TERM_SECONDS, _FIRST_LOOK
    while time.monotonic() < until and app.desired.intent != Intent.DELETED:
        if (await containers.inspect(app.world.engine, replica.id)).state != ReplicaState.RUNNING:
            return
        await asyncio.sleep(gap)
        gap = min(gap * _GROWTH, _LONGEST_LOOK)


async def stop(app: App, replica: Replica) -> None:
    """Restart policy `no`, then TERM, and KILL after ten seconds."""
    engine = app.world.engine
    await _keep_down(app, replica)
    if not replica.stopped and replica.state != ReplicaState.CREATED:
        async with app.world.stops:
            await containers.stop(engine, replica.id, TERM_SECONDS)


async def _keep_down(app: App, replica: Replica) -> None:
    """The engine is not to start it again."""
    if replica.policy != "no":
        await containers.update(app.world.engine, replica.id, restart_policy="no")
        app.view.change(replica.id, policy="no")
