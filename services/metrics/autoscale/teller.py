"""Says what was decided: once to the stream, whatever ends in between."""

from collections.abc import Iterable

import structlog

from libs.common.bus import Bus, BusAway
from libs.common.messages.metrics import AutoscaleDecided
from libs.common.messages.scale import Scale

logger = structlog.get_logger()


class Teller:
    """What stands in the bucket was decided, said or not: it is said again by each process, under an id made of the fact."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._said: dict[str, str] = {}
        self._due: dict[str, Scale] = {}

    def note(self, scales: Iterable[Scale]) -> None:
        for scale in scales:
            if scale.by == "metrics" and self._said.get(scale.app_id) != scale.at:
                self._due[scale.app_id] = scale

    def forget(self, app_id: str) -> None:
        self._said.pop(app_id, None)

    async def say(self) -> None:
        """All that is due; what the bus does not take now is said at the next turn."""
        for app_id, scale in list(self._due.items()):
            try:
                await self._bus.say(event_of(scale), app_id)
            except BusAway as error:
                logger.info("autoscale.unsaid", app_id=app_id, error=str(error))
                return
            self._said[app_id] = scale.at
            del self._due[app_id]


def event_of(scale: Scale) -> AutoscaleDecided:
    return AutoscaleDecided(
        event_id=f"{scale.app_id}.scale.{scale.at}",
        at=scale.at,
        app_id=scale.app_id,
        replicas=scale.replicas,
        before=scale.before,
        reason=scale.reason,
        passed=scale.passed,
        figures=scale.figures,
    )
