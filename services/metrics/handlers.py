"""What comes in, and which function takes it: the dicts at the foot are the whole routing."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from libs.common.engine.events import EngineEvent
from libs.common.messages.metrics import HistoryAnswer, HistoryQuery, StatsAnswer, StatsQuery
from services.metrics.history.keeper import History
from services.metrics.observe import Observer


def look_soon(observer: Observer, _event: EngineEvent) -> None:
    """A state changed: people see it in a moment, not at the next tick."""
    observer.woken.set()


async def answer_stats(observer: Observer, _history: History, body: bytes) -> StatsAnswer:
    return await observer.stats(msgspec.json.decode(body, type=StatsQuery).app_id)


async def answer_history(_observer: Observer, history: History, body: bytes) -> HistoryAnswer:
    return await history.page(msgspec.json.decode(body, type=HistoryQuery))


ENGINE_EVENTS: Mapping[str, Callable[[Observer, EngineEvent], None]] = {
    "start": look_soon,
    "die": look_soon,
    "pause": look_soon,
    "unpause": look_soon,
    "destroy": look_soon,
}
QUERIES: Mapping[str, Callable[[Observer, History, bytes], Awaitable[object]]] = {
    "stats": answer_stats,
    "history": answer_history,
}
