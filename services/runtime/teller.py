"""Says the events of one app in their order, each until the bus has it."""

import asyncio
from collections import deque

import msgspec
import structlog

from libs.common.bus import Bus, BusAway

_PAUSE = 0.5
_MOST_REMEMBERED = 250
"""Of each app: more than is true of its replicas at one time, and not so much that what hundreds of apps said once is kept for ever."""

logger = structlog.get_logger()


class Teller:
    """`tell` returns at once; its result is done when the event is stored. What was told is not told twice, unless `again`."""

    def __init__(self, bus: Bus, app_id: str) -> None:
        self._bus = bus
        self._app_id = app_id
        self._waiting: deque[tuple[msgspec.Struct, asyncio.Future[None]]] = deque()
        self._told: dict[str, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, event: msgspec.Struct, *, again: bool = False) -> "asyncio.Future[None]":
        event_id: str = event.event_id  # type: ignore[attr-defined]
        known = self._told.get(event_id)
        if known is not None and not (again and known.done()):
            return known
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._told) >= _MOST_REMEMBERED:
            self.forget()
        self._told[event_id] = future
        self._waiting.append((event, future))
        if self._task is None or self._task.done() or self._task.cancelling():
            self._task = asyncio.create_task(self._run())
        return future

    @property
    def idle(self) -> bool:
        return not self._waiting

    def forget(self) -> None:
        """All may be told again: the bus may have lost it."""
        self._told = {event_id: future for event_id, future in self._told.items() if not future.done()}

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._waiting:
            event, future = self._waiting[0]
            try:
                await self._bus.say(event, self._app_id)
            except BusAway as error:
                logger.info("runtime.fact_waits", fact=type(event).__name__, error=str(error))
                await asyncio.sleep(_PAUSE)
                continue
            except Exception:
                # Tried again it would fail again, and hold up all that follows it.
                logger.exception("runtime.fact_lost", fact=type(event).__name__)
            self._waiting.popleft()
            if not future.done():
                future.set_result(None)
