"""The apps that somebody listens to."""

import asyncio
import contextlib
from collections.abc import Iterable

from libs.common.engine.connect import Engine
from services.runtime.masks import Masks
from services.runtime.replica import Replica
from services.runtime.tails.allowance import SHARE_OF_ALL, SHARE_OF_APP, Allowance
from services.runtime.tails.tail import Tail

_DRAIN_SECONDS = 2.0


class Tails:
    """At most one `Tail` an app; each ends with its last reader."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._allowance = Allowance(SHARE_OF_ALL)
        self._tails: dict[str, Tail] = {}

    def look(self, app_id: str, replicas: Iterable[Replica], masks: Masks) -> None:
        """Tell who listens to the app which replicas it has now. Free where nobody does."""
        if tail := self._tails.get(app_id):
            tail.look(replicas, masks)

    def join(self, app_id: str) -> Tail:
        """One reader more; `leave` in the end."""
        tail = self._tails.get(app_id)
        if tail is None:
            tail = self._tails[app_id] = Tail(self._engine, Allowance(SHARE_OF_APP, self._allowance))
        tail.readers += 1
        return tail

    def leave(self, app_id: str, tail: Tail) -> None:
        tail.readers -= 1
        if not tail.readers:
            tail.close()
            if self._tails.get(app_id) is tail:
                del self._tails[app_id]

    async def drained(self, app_id: str, container_id: str) -> None:
        """Before a container that has stopped is removed, with its log: wait a moment for those who listen."""
        if tail := self._tails.get(app_id):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await tail.drained(container_id)

    def close(self) -> None:
        """Somebody else has the containers now: every reader comes to the end."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()
