"""What the routes of an app's stats take and give."""

from typing import Annotated

import msgspec
from litestar.params import Parameter

from libs.common.messages.metrics import LONGEST_MINUTES, HistoryPoint
from libs.common.states import ReplicaState

Minutes = Annotated[int, Parameter(ge=1, le=LONGEST_MINUTES, description="How far back, up to a year.")]
Replica = Annotated[
    str | None,
    Parameter(min_length=1, max_length=128, description="Only this replica, by its name in `stats`; the app's sums when left out."),
]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu_usage` in percent of one core, the mean since the last sync or the last call, at least a second; null at the first.

    `memory_usage` and `memory_limit` in MB; bytes since the container started. null: not known, of `memory_limit`: none.
    """

    cpu_usage: float | None
    memory_usage: float | None
    memory_limit: float | None
    network_rx_bytes: int | None
    network_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None
    sampled_at: str


class ReplicaStats(Usage, frozen=True, kw_only=True):
    """One container; `node` is the engine's id. Figures are null unless it runs or is paused."""

    replica: str
    container_id: str
    process: str = "web"
    release: int
    state: ReplicaState
    node: str


class Stats(Usage, frozen=True, kw_only=True):
    """Now, of the whole app: the sums of what is known of `replicas`. `memory_limit` is null when one of them has none.

    What passed through the proxy: `requests_per_second` over the last ten seconds or so, `open_requests` now (WebSockets too), answers by
    class and response times in milliseconds over the last minute. null: no router was heard, or, of times, nothing was answered.
    """

    app_id: str
    requests_per_second: float | None
    open_requests: int | None
    response_time_p50: float | None
    response_time_p95: float | None
    response_time_p99: float | None
    status_1xx: int | None
    status_2xx: int | None
    status_3xx: int | None
    status_4xx: int | None
    status_5xx: int | None
    replicas: list[ReplicaStats]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """At most 1,000 points, oldest first, as fine as that allows. An interval in which nothing was measured has none."""

    interval_seconds: int
    points: list[HistoryPoint]
