"""What follows from what the engine says."""

from libs.common.engine.events import EngineEvent
from services.metrics.observe import Observer


def look_soon(observer: Observer, _event: EngineEvent) -> None:
    """A state changed: people see it in a moment, not at the next tick."""
    observer.woken.set()


ENGINE_EVENTS = {
    "start": look_soon,
    "die": look_soon,
    "pause": look_soon,
    "unpause": look_soon,
    "destroy": look_soon,
}
