"""One app's replicas, merged, while somebody listens."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from operator import itemgetter
from time import monotonic

import structlog

from libs.common.engine.connect import Engine
from services.runtime.masks import Masks
from services.runtime.replica import Replica
from services.runtime.tails.allowance import Allowance
from services.runtime.tails.follower import Follower
from services.runtime.tails.ring import Batch, Entry, Ring, Source

_FLUSH_SECONDS = 0.03
_HOLD_SECONDS = 0.1
"""What one replica says waits as long for an earlier line of another."""
_MOST_LINES = 200
_MOST_BYTES = 32 * 1024

logger = structlog.get_logger()
_at = itemgetter(0)


class Tail:
    """`ring` has the lines; `readers` is how many listen."""

    def __init__(self, engine: Engine, allowance: Allowance) -> None:
        self.ring = Ring()
        self.readers = 0
        self._engine = engine
        self._allowance = allowance
        self._followers: dict[str, Follower] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: list[Entry] = []
        self._came: deque[tuple[float, str]] = deque()
        self._missed: Counter[Source] = Counter()
        self._flusher: asyncio.TimerHandle | None = None
        self._was_looked_at = False

    def look(self, replicas: Iterable[Replica], masks: Masks) -> None:
        """These are the app's replicas now. Those of the first look were there before; later ones are read from their first line."""
        seen = {replica.id: replica for replica in replicas}
        for container_id, replica in seen.items():
            if follower := self._followers.get(container_id):
                follower.tell(replica)
            elif not self.ring.closed:
                self._follow(replica, masks)
        for container_id in self._followers.keys() - seen.keys():
            self._followers[container_id].leave()
            self._forget(container_id)
        self._was_looked_at = True

    def _follow(self, replica: Replica, masks: Masks) -> None:
        fresh = self._was_looked_at
        follower = Follower(self._engine, replica, masks, self._allowance, take=self._take, miss=self._miss, fresh=fresh)
        self._followers[replica.id] = follower
        task = asyncio.create_task(follower.run(), name=f"follower {replica.name}")
        self._tasks[replica.id] = task
        task.add_done_callback(lambda done: self._ended(replica.id, done))

    def _ended(self, container_id: str, task: asyncio.Task[None]) -> None:
        del self._tasks[container_id]
        self._forget(container_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("runtime.follower_failed", task=task.get_name(), exc_info=error)

    def _forget(self, container_id: str) -> None:
        """One that is gone and was read to its end. Of one that is there still nothing is read twice."""
        if container_id not in self._tasks and self._followers[container_id].gone:
            del self._followers[container_id]

    async def ready(self) -> None:
        """Wait until nothing that a replica of now says can be missed any more."""
        for follower in list(self._followers.values()):
            await follower.ready.wait()

    async def drained(self, container_id: str) -> None:
        """Wait until all that a container said is here; it must have stopped."""
        if follower := self._followers.get(container_id):
            await follower.idle.wait()

    def close(self) -> None:
        """Nobody listens any more, or nobody may."""
        for task in self._tasks.values():
            task.cancel()
        if self._flusher is not None:
            self._flusher.cancel()
        self._flush(everything=True)
        self.ring.close()

    def _take(self, entries: list[Entry]) -> None:
        self._waiting += entries
        self._came.append((monotonic(), max(map(_at, entries))))
        self._flush_soon()

    def _miss(self, counts: "Counter[Source]") -> None:
        self._missed += counts
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._on_time)

    def _on_time(self) -> None:
        self._flusher = None
        self._flush(everything=len(self._followers) <= 1)
        if self._waiting:
            self._flush_soon()

    def _flush(self, *, everything: bool) -> None:
        """Hand over what is in order now: all, or what nobody can have said something before any more."""
        self._waiting.sort(key=_at)
        until = self._until(everything=everything)
        count = next((place for place, entry in enumerate(self._waiting) if entry.at > until), len(self._waiting))
        ready, self._waiting = self._waiting[:count], self._waiting[count:]
        missed, self._missed = self._missed, Counter()
        for batch in batches(ready, missed):
            self.ring.add(batch)

    def _until(self, *, everything: bool) -> str:
        until, now = "", monotonic()
        while self._came and (everything or self._came[0][0] <= now - _HOLD_SECONDS):
            until = max(until, self._came.popleft()[1])
        return until


def batches(entries: list[Entry], missed: "Counter[Source]") -> list[Batch]:
    """Pieces that a message has room for; what was missed goes with the first."""
    pieces: list[list[Entry]] = []
    size = 0
    for entry in entries:
        size += len(entry.body) + 1
        if not pieces or len(pieces[-1]) >= _MOST_LINES or size > _MOST_BYTES:
            pieces.append([])
            size = len(entry.body) + 1
        pieces[-1].append(entry)
    if missed and not pieces:
        pieces.append([])
    return [Batch(piece, missed if not number else None) for number, piece in enumerate(pieces)]
