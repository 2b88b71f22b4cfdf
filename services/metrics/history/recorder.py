"""From two samples of a container to what happened between them, and the sums of its app. Pure, but for the memory of the last sample."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from libs.common.messages.metrics import ReplicaSample
from libs.common.messages.router import AppTraffic

COUNTERS = ("network_rx_bytes", "network_tx_bytes", "block_read_bytes", "block_write_bytes")
OF_APP = ""
"""The name under which an app's sums are kept beside its replicas."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line for the history. `moved` are bytes since the sample before, in the order of `COUNTERS`; None: there was none."""

    app_id: str
    replica: str
    cpu: float | None
    memory: float
    moved: tuple[int | None, ...]
    pids: int | None


class TrafficRow(msgspec.Struct, frozen=True, kw_only=True):
    """What passed to an app in `seconds`."""

    app_id: str
    seconds: float
    passed: AppTraffic


class Recorder:
    """Keeps the last counters of each container that is still there, and when it was told last what passed. `since`: when it began."""

    def __init__(self, since: float = 0.0) -> None:
        self._last: dict[str, tuple[int | None, ...]] = {}
        self._told = since

    def traffic(self, passed: Iterable[AppTraffic] | None, now: float) -> list[TrafficRow]:
        """A row for each app, of what passed since the last time that it was known; `now` by the monotonic clock."""
        if passed is None:
            return []
        seconds, self._told = now - self._told, now
        return [TrafficRow(app_id=each.app_id, seconds=seconds, passed=each) for each in passed]

    def rows(self, samples: Iterable[ReplicaSample]) -> list[Row]:
        """A row for each container that uses something, and one for each app of these."""
        using = [sample for sample in samples if sample.memory_usage is not None]
        counted = {sample.container_id: tuple(getattr(sample, name) for name in COUNTERS) for sample in using}
        rows = [self._row(sample, counted[sample.container_id]) for sample in using]
        self._last = counted
        of_apps: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            of_apps[row.app_id].append(row)
        return rows + [_sum(app_id, parts) for app_id, parts in of_apps.items()]

    def _row(self, sample: ReplicaSample, counted: tuple[int | None, ...]) -> Row:
        before = self._last.get(sample.container_id)
        return Row(
            app_id=sample.app_id,
            replica=sample.replica,
            cpu=sample.cpu_usage,
            memory=sample.memory_usage or 0.0,
            moved=tuple(map(passed, before, counted)) if before else (None,) * len(COUNTERS),
            pids=sample.pids,
        )


def passed(before: int | None, now: int | None) -> int | None:
    """What a counter counted between two looks. One that fell belongs to a container that was started again, and counts from nothing."""
    if before is None or now is None:
        return None
    return now - before if now >= before else now


def _sum(app_id: str, parts: list[Row]) -> Row:
    return Row(
        app_id=app_id,
        replica=OF_APP,
        cpu=total(part.cpu for part in parts),
        memory=sum(part.memory for part in parts),
        moved=tuple(total(column) for column in zip(*(part.moved for part in parts), strict=True)),
        pids=total(part.pids for part in parts),
    )


N = TypeVar("N", int, float)


def total(values: Iterable[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    first, *others = known
    return sum(others, first)
