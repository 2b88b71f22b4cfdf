"""The end of a replica: stopped, its last words kept, removed."""

import structlog

from libs.common.engine import containers
from libs.common.engine.errors import EngineError, NotFound
from libs.common.states import ReplicaState
from services.runtime import facts, words
from services.runtime.reconcile import App
from services.runtime.replica import Replica
from services.runtime.steps import Retire

TERM_SECONDS = 10.0

logger = structlog.get_logger()


async def retire(app: App, step: Retire) -> None:
    """Each part is harmless to repeat: after a crash in between the next look begins again."""
    replica = app.view.change(step.container, leaving=True)
    if replica is None:
        return
    try:
        await _end(app, replica)
        if step.keep_words and replica.state != ReplicaState.CREATED:
            await words.keep(app.world.bus, app.world.engine, replica, app.masks)
        await containers.remove(app.world.engine, step.container)
    except NotFound:
        logger.info("runtime.gone_already", replica=replica.name)
    app.view.replicas.pop(step.container, None)
    app.world.networks.release(replica.address)
    app.teller.tell(facts.removed(app.desired.app_id, replica))


async def _end(app: App, replica: Replica) -> None:
    """Stop it in peace. Where the engine refuses that, the removal that follows ends it by force."""
    engine = app.world.engine
    try:
        if replica.policy != "no":
            await containers.update(engine, replica.id, restart_policy="no")
        if not replica.stopped and replica.state != ReplicaState.CREATED:
            async with app.world.stops:
                await containers.stop(engine, replica.id, TERM_SECONDS)
    except NotFound:
        raise
    except EngineError as error:
        logger.warning("runtime.not_stopped", replica=replica.name, error=str(error))
