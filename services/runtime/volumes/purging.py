"""The end of data: only what the plan found to be in no container of ours."""

import asyncio

import structlog

from libs.common.engine import carriers, volumes
from libs.common.engine.errors import Conflict
from services.runtime import facts
from services.runtime.reconcile import App
from services.runtime.steps import PurgeVolume

_PAUSE = 5.0

logger = structlog.get_logger()


async def purge_volume(app: App, step: PurgeVolume) -> None:
    """What is there of it goes; what is not there is gone. One that somebody else's container has is tried again."""
    world = app.world
    for copy in await volumes.list_ours(world.engine, world.place.instance, step.volume):
        if step.below is not None and copy.number >= step.below:
            continue
        try:
            await volumes.remove(world.engine, copy.name)
        except Conflict as error:
            await carriers.sweep(world.engine, world.place.instance, world.carriers)
            logger.warning("runtime.volume_in_use", volume=copy.name, error=str(error))
            await asyncio.sleep(_PAUSE)
            return
    if step.below is not None:
        app.view.swept.add((step.volume, step.below))
        return
    await app.teller.tell(facts.purged(app.desired.app_id, step.volume))
    app.view.purged.add(step.volume)
