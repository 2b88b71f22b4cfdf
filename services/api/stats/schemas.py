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
    release: int
    state: ReplicaState
    node: str


class Stats(Usage, frozen=True, kw_only=True):
    """Now, of the whole app: the sums of what is known of `replicas`. `memory_limit` is null when one of them has none."""

    app_id: str
    replicas: list[ReplicaStats]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """At most 1,000 points, oldest first, as fine as that allows. An interval in which nothing was measured has none."""

    interval_seconds: int
    points: list[HistoryPoint]
