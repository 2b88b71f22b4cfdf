"""Asks the metrics service what an app uses and used."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from libs.common.bus import Bus, NoAnswer
from libs.common.messages.metrics import HistoryAnswer, HistoryQuery, ReplicaSample, StatsAnswer, StatsQuery, TrafficNow
from services.api.http.problems import Problem
from services.api.stats.schemas import History, ReplicaStats, Stats

_PATIENCE_SECONDS = 3.0
_TRAFFIC = tuple(field.name for field in msgspec.structs.fields(TrafficNow) if field.name in Stats.__struct_fields__)
N = TypeVar("N", int, float)


async def now(bus: Bus, app_id: str) -> Stats:
    """`503 stats_unavailable` when no metrics service answers, or its engine does not."""
    return summed(app_id, await ask(bus, app_id))


async def ask(bus: Bus, app_id: str) -> StatsAnswer:
    """As `now`: the figures as the metrics service has them."""
    try:
        answer = await bus.query("metrics", "stats", StatsQuery(app_id=app_id), StatsAnswer, timeout=_PATIENCE_SECONDS)
    except NoAnswer as error:
        raise _unavailable("the metrics service does not answer now") from error
    if answer.trouble:
        raise _unavailable(answer.trouble)
    return answer


async def history(bus: Bus, app_id: str, minutes: int, replica: str | None) -> History:
    """As `now`; the engine need not be there."""
    query = HistoryQuery(app_id=app_id, minutes=minutes, replica=replica)
    try:
        answer = await bus.query("metrics", "history", query, HistoryAnswer, timeout=_PATIENCE_SECONDS)
    except NoAnswer as error:
        raise _unavailable("the metrics service does not answer now") from error
    if answer.trouble:
        raise _unavailable(answer.trouble)
    return History(interval_seconds=answer.interval_seconds, points=list(answer.points))


def summed(app_id: str, answer: StatsAnswer) -> Stats:
    """An app of which nothing runs uses nothing."""
    using = [sample for sample in answer.samples if sample.memory_usage is not None]
    limits = [sample.memory_limit for sample in using]
    return Stats(
        app_id=app_id,
        cpu_usage=_sum(sample.cpu_usage for sample in using),
        memory_usage=_sum(sample.memory_usage for sample in using),
        memory_limit=None if None in limits or not limits else _sum(limits),
        network_rx_bytes=_sum(sample.network_rx_bytes for sample in using),
        network_tx_bytes=_sum(sample.network_tx_bytes for sample in using),
        block_read_bytes=_sum(sample.block_read_bytes for sample in using),
        block_write_bytes=_sum(sample.block_write_bytes for sample in using),
        pids=_sum(sample.pids for sample in using),
        sampled_at=answer.at,
        **{name: getattr(answer.traffic, name, None) for name in _TRAFFIC},
        replicas=[_replica(sample, answer) for sample in answer.samples],
    )


def _replica(sample: ReplicaSample, answer: StatsAnswer) -> ReplicaStats:
    return ReplicaStats(
        replica=sample.replica,
        container_id=sample.container_id,
        process=sample.process,
        release=sample.release,
        state=sample.state,
        node=answer.engine_id,
        cpu_usage=sample.cpu_usage,
        memory_usage=sample.memory_usage,
        memory_limit=sample.memory_limit,
        network_rx_bytes=sample.network_rx_bytes,
        network_tx_bytes=sample.network_tx_bytes,
        block_read_bytes=sample.block_read_bytes,
        block_write_bytes=sample.block_write_bytes,
        pids=sample.pids,
        sampled_at=answer.at,
    )


def _sum(values: Iterable[N | None]) -> N | None:
    """The sum of what is known; 0 of nothing, None where nothing is known."""
    given = list(values)
    known = [value for value in given if value is not None]
    total: N = sum(known)
    return round(total, 2) if known or not given else None


def _unavailable(why: str) -> Problem:
    detail = f"What the app uses is not known: {why}. The app itself is not affected."
    return Problem("stats_unavailable", detail, headers={"Retry-After": "2"})
