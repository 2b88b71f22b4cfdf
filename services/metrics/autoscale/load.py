"""An app's load at one moment, and what is remembered of it: the last two looks, and the peaks of a window."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from libs.common.messages.api import WEB
from libs.common.messages.metrics import ReplicaSample
from libs.common.states import ReplicaState

_PIECES = 60
"""Pieces that a window is remembered in, whatever its length."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Of all replicas together: `cpu` in percent of one core, `memory` in MB, `requests` a second. None: not known.

    `at` by the monotonic clock; `running` replicas.
    """

    at: float
    running: int
    cpu: float | None = None
    memory: float | None = None
    requests: float | None = None


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """`recent`: the last looks, oldest first, two at most. `peak`: the highest of each figure, and the fewest replicas, since `since`."""

    recent: tuple[Load, ...]
    peak: Load | None
    since: float


def of(samples: Iterable[ReplicaSample], requests: float | None, at: float) -> Load:
    """The sum of what runs and takes requests. A replica whose figure is not known yet makes the sum unknown."""
    running = [sample for sample in samples if sample.state is ReplicaState.RUNNING and sample.process == WEB]
    cpu, memory = _sum([sample.cpu_usage for sample in running]), _sum([sample.memory_usage for sample in running])
    return Load(at=at, running=len(running), cpu=cpu, memory=memory, requests=requests)


def least(looks: Sequence[Load]) -> Load:
    """Each figure's lowest."""
    return _of_each(looks, min)


def greatest(looks: Sequence[Load]) -> Load:
    """Each figure's highest, and the fewest replicas."""
    return _of_each(looks, max)


class Window:
    """The memory of one app. After `late` seconds without a look it begins anew: nobody knows what was between."""

    def __init__(self, late: float) -> None:
        self._late = late
        self._recent: deque[Load] = deque(maxlen=2)
        self._peaks: deque[tuple[float, Load]] = deque()

    def add(self, load: Load, seconds: float) -> None:
        """Note a look; what is older than `seconds` is forgotten."""
        if self._recent and load.at - self._recent[-1].at > self._late:
            self._recent.clear()
            self._peaks.clear()
        self._recent.append(load)
        if self._peaks and load.at - self._peaks[-1][0] < seconds / _PIECES:
            begun, peak = self._peaks.pop()
            self._peaks.append((begun, greatest([peak, load])))
        else:
            self._peaks.append((load.at, load))
        while len(self._peaks) > 1 and self._peaks[1][0] <= load.at - seconds:
            self._peaks.popleft()

    def remembered(self) -> Remembered:
        peak = greatest([peak for _, peak in self._peaks]) if self._peaks else None
        return Remembered(recent=tuple(self._recent), peak=peak, since=self._peaks[0][0] if self._peaks else float("inf"))


def _of_each(looks: Sequence[Load], choose: Callable[[list[float]], float]) -> Load:
    def chosen(name: str) -> float | None:
        values = [getattr(look, name) for look in looks]
        return None if None in values else choose(values)

    return Load(
        at=looks[-1].at,
        running=min(look.running for look in looks),
        cpu=chosen("cpu"),
        memory=chosen("memory"),
        requests=chosen("requests"),
    )


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
