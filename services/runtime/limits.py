"""The limits of what runs, changed live."""

import structlog

from libs.common.engine import containers
from libs.common.engine.errors import EngineError, NotFound
from services.runtime import facts
from services.runtime.reconcile import App
from services.runtime.steps import UpdateLimits

logger = structlog.get_logger()


async def update_limits(app: App, step: UpdateLimits) -> None:
    """Each by itself: where the engine refuses one, the other is changed all the same."""
    try:
        refusals = [
            await _refusal(app, step.container, cpu=step.limits.cpu or 0),
            await _refusal(app, step.container, memory=step.limits.memory or 0),
        ]
    except NotFound:
        app.vanish(step.container)
        return
    why = "; ".join(filter(None, refusals))
    if why and (replica := app.view.replicas.get(step.container)) is not None:
        # The engine refuses a limit below what is in use: the next container gets it.
        logger.warning("runtime.limits_refused", container=step.container, error=why)
        app.teller.tell(facts.limits_refused(app.desired, replica, why))
    app.view.change(step.container, limits=step.limits)
    await app.refresh(step.container)


async def _refusal(app: App, container_id: str, *, cpu: float | None = None, memory: int | None = None) -> str:
    """Change a limit; return why the engine did not, empty when it did."""
    try:
        await containers.update(app.world.engine, container_id, cpu=cpu, memory=memory)
    except NotFound:
        raise
    except EngineError as error:
        return str(error)
    return ""
