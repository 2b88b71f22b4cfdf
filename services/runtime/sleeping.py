"""Putting an app to sleep: its container is stopped and kept. A wake is an ordinary start of it."""

import asyncio

import structlog

from libs.common.engine.errors import EngineError, NotFound
from services.runtime.reconcile import App
from services.runtime.replica import Replica
from services.runtime.retiring import stop
from services.runtime.steps import PutToSleep

_REFUSED_PAUSE = 1.0

logger = structlog.get_logger()


async def put_to_sleep(app: App, step: PutToSleep) -> None:
    """Harmless to repeat. From the first word on no request goes to it, though it may be wanted again before it has ended."""
    replica = app.view.change(step.container, resting=True)
    if replica is None:
        return
    try:
        await stop(app, replica)
    except NotFound:
        app.vanish(step.container)
        return
    except EngineError as error:
        logger.warning("runtime.not_stopped", replica=replica.name, error=str(error))
        await asyncio.sleep(_REFUSED_PAUSE)
    await app.refresh(step.container)


def woken_by(app: App, replica: Replica) -> str | None:
    """Who asked for this start, if the app sleeps until then: `request`, or whoever made the present wish."""
    if app.is_candidate(replica.id) or not (replica.resting or _replaces_what_slept(app, replica)):
        return None
    scale = app.world.scale_mirror.entries.get(app.desired.app_id)
    asked = scale is not None and scale.replicas > 0 and scale.by == "router"
    return "request" if asked else app.desired.actor


def _replaces_what_slept(app: App, replica: Replica) -> bool:
    """A restart of what sleeps, or a wake that found nothing to start."""
    route = app.view.route
    return route is not None and route.asleep and replica.key.is_web and replica.key.slot == 0 and replica.starts == 0
