"""What the metrics service says: one batch every sync. What it is asked: `stats` (now) and `history`."""

from typing import Annotated

import msgspec

from libs.common.disks import Disk
from libs.common.states import ReplicaState

LONGEST_MINUTES = 525_600
"""A year: what the history keeps."""
MOST_POINTS = 1_000


class Counters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Since the container started; None where the kernel does not say. `memory_limit` in MB, None without one."""

    memory_limit: float | None = None
    network_rx_bytes: int | None = None
    network_tx_bytes: int | None = None
    block_read_bytes: int | None = None
    block_write_bytes: int | None = None
    pids: int | None = None


class ReplicaSample(Counters, frozen=True, kw_only=True, omit_defaults=True):
    """One container at one moment. `cpu_usage` in percent of one core since the last sample, None at the first; `memory_usage` in MB."""

    app_id: str
    release: int
    replica: str
    container_id: str
    state: ReplicaState
    cpu_usage: float | None
    memory_usage: float | None
    restarts: int = 0


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Core subject `dockup.obs.metrics`: all containers of one engine. `engine_ok` false: the engine did not answer, `samples` is empty.

    `at` is before the engine was asked: what happened until then is in it. `number` rises with each of one `source`, a process of the
    service, whatever the clock does. `disks`: those that can be seen from there.
    """

    at: str
    engine_id: str
    engine_ok: bool
    interval_seconds: float
    samples: tuple[ReplicaSample, ...]
    source: str = ""
    number: int = 0
    disks: tuple[Disk, ...] = ()
    v: int = 1


class StatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    app_id: str


class StatsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.metrics.stats`. `trouble` says why the engine could not be looked at; `samples` is then empty."""

    at: str
    engine_id: str
    samples: tuple[ReplicaSample, ...]
    trouble: str = ""


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`replica`: that one alone, else the app's sums."""

    app_id: str
    minutes: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_MINUTES)]
    replica: str | None = None


class HistoryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One interval, from `at` on. Means, and `_max` the highest sample; bytes are those that passed in it. None: not known."""

    at: str
    cpu_usage: float | None
    cpu_usage_max: float | None
    memory_usage: float
    memory_usage_max: float
    network_rx_bytes: int | None
    network_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.metrics.history`. Intervals without a sample have no point. `trouble` says why there is no history."""

    interval_seconds: int
    points: tuple[HistoryPoint, ...]
    trouble: str = ""
