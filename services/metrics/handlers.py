"""What comes in, and which function takes it: the dicts at the foot are the whole routing."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from libs.common import subjects
from libs.common.engine.events import EngineEvent
from libs.common.messages.metrics import HistoryAnswer, HistoryQuery, StatsAnswer, StatsQuery
from services.metrics.history.keeper import History
from services.metrics.observe import Observer
from services.metrics.traffic import Inflow


def look_soon(observer: Observer, event: EngineEvent) -> None:
    """A state changed: people see it in a moment, not at the next tick."""
    observer.inventory.touch(event.container_id)
    observer.woken.set()


def look_later(observer: Observer, event: EngineEvent) -> None:
    """Nothing that people see changed; the next look takes it along."""
    observer.inventory.touch(event.container_id)


async def answer_stats(observer: Observer, _history: History, body: bytes) -> StatsAnswer:
    return await observer.stats(msgspec.json.decode(body, type=StatsQuery).app_id)


async def answer_history(_observer: Observer, history: History, body: bytes) -> HistoryAnswer:
    return await history.page(msgspec.json.decode(body, type=HistoryQuery))


async def take_traffic(inflow: Inflow, body: bytes) -> None:
    """A router said what passed through it."""
    inflow.take(body)


ENGINE_EVENTS: Mapping[str, Callable[[Observer, EngineEvent], None]] = {
    "start": look_soon,
    "die": look_soon,
    "pause": look_soon,
    "unpause": look_soon,
    "destroy": look_soon,
    "create": look_later,
    "rename": look_later,
}
QUERIES: Mapping[str, Callable[[Observer, History, bytes], Awaitable[object]]] = {
    "stats": answer_stats,
    "history": answer_history,
}
HEARD: Mapping[str, Callable[[Inflow, bytes], Awaitable[None]]] = {
    subjects.TRAFFIC: take_traffic,
}
