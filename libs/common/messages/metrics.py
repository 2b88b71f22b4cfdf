"""What the metrics service says: one batch every sync. What it is asked: `stats` (now) and `history`."""

from typing import Annotated

import msgspec

from libs.common.disks import Disk
from libs.common.messages.api import WEB
from libs.common.messages.router import AppTraffic
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
    process: str = WEB


class VolumeSize(msgspec.Struct, frozen=True, kw_only=True):
    """What one copy of a volume holds."""

    volume: str
    copy: int
    size_bytes: int


NO_APP = "app_"
"""Every app's id is after it."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Core subject `dockup.obs.metrics`: all containers of one engine. `engine_ok` false: the engine did not answer, `samples` is empty.

    `at` is before the engine was asked: what happened until then is in it. `number` rises with each of one `source`, a process of the
    service, whatever the clock does. `disks`: those that can be seen from there. `volumes` are as of `volumes_at`, minutes ago maybe.

    What the bus does not take in one message comes in several of one number. Each is whole in itself: it tells of all containers of the
    apps whose id is after `after` and not after `until` (empty: no bound), and of nothing else, so that one that is lost says nothing.
    `disks` are in the first; its `until` is `NO_APP` where it has no room for apps.
    """

    at: str
    engine_id: str
    engine_ok: bool
    interval_seconds: float
    samples: tuple[ReplicaSample, ...]
    source: str = ""
    number: int = 0
    disks: tuple[Disk, ...] = ()
    volumes: tuple[VolumeSize, ...] = ()
    volumes_at: str = ""
    after: str = ""
    until: str = ""
    v: int = 1


class AutoscaleDecided(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics wrote another number to KV `scale`. Id: `{app_id}.scale.{at}`; said again after a restart, from what stands there."""

    event_id: str
    at: str
    app_id: str
    replicas: int
    before: int | None
    reason: str
    passed: str
    figures: dict[str, float] = {}
    v: int = 1


class StatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    app_id: str


class ResponseTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from a request's head to its answer's, by a histogram: exact to the width of its bucket. None: no answer was timed."""

    response_time_p50: float | None = None
    response_time_p95: float | None = None
    response_time_p99: float | None = None


class TrafficNow(ResponseTimes, frozen=True, kw_only=True):
    """What passed through all routers to an app.

    `requests_per_second` by each router's last two words, `open_requests` now; classes and times of the last minute, `seconds` of which are
    known.
    `totals` since the metrics service heard of it first, for whoever counts by differences.
    """

    requests_per_second: float
    open_requests: int
    status_1xx: int
    status_2xx: int
    status_3xx: int
    status_4xx: int
    status_5xx: int
    seconds: float
    totals: AppTraffic


class StatsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.metrics.stats`. `trouble` says why the engine could not be looked at; `samples` is then empty.

    `traffic` is None when no router was heard of late.
    """

    at: str
    engine_id: str
    samples: tuple[ReplicaSample, ...]
    trouble: str = ""
    traffic: TrafficNow | None = None


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`replica`: that one alone, else the app's sums."""

    app_id: str
    minutes: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_MINUTES)]
    replica: str | None = None


class HistoryPoint(ResponseTimes, frozen=True, kw_only=True):
    """One interval, from `at` on. Means, and `_max` the highest sample; bytes, requests and classes are those that passed in it.

    None: not known; what passed through the proxy is known of the app alone, not of one replica.
    """

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
    requests: int | None = None
    requests_per_second: float | None = None
    status_1xx: int | None = None
    status_2xx: int | None = None
    status_3xx: int | None = None
    status_4xx: int | None = None
    status_5xx: int | None = None


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.metrics.history`. Intervals without a sample have no point. `trouble` says why there is no history."""

    interval_seconds: int
    points: tuple[HistoryPoint, ...]
    trouble: str = ""
