"""The limits of what runs, changed live."""

import structlog

from libs.common.engine import containers
from libs.common.engine.errors import EngineError, NotFound
from services.runtime import facts
from services.runtime.reconcile import App
from services.runtime.steps import UpdateLimits

logger = structlog.get_logger()


async def update_limits(app: App, step: UpdateLimits) -> None:
    cpu, memory = step.limits.cpu or 0, step.limits.memory or 0
    try:
        why = await _refusal(app, step.container, cpu=cpu, memory=memory)
        if why:  # of one of them, perhaps: the other is changed all the same
            each = [await _refusal(app, step.container, cpu=cpu), await _refusal(app, step.container, memory=memory)]
            why = "; ".join(filter(None, each))
    except NotFound:
        app.vanish(step.container)
        return
    replica = app.view.replicas.get(step.container)
    # Others may be wanted by now, which nobody has refused.
    if why and replica is not None and app.desired.size_of(replica.key.process).limits == step.limits:
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
