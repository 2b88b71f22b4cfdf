"""What the metrics service answers: an app's figures at this moment, and what it kept of them."""

from pathlib import Path

import pytest

from libs.common import ids
from libs.common.engine import containers
from libs.common.messages.metrics import HistoryAnswer, HistoryQuery, ReplicaSample, StatsAnswer, StatsQuery
from libs.common.states import ReplicaState
from services.metrics import cgroups
from tests.integration.metrics.conftest import Make, of
from tests.stack.eventually import eventually


async def test_stats_now_and_history(make: Make) -> None:
    """Asked over the bus: the counters of a container that reads, writes and answers, and what was kept of it. A restart counts anew."""
    station = await make()
    app = ids.new("app")
    container_id = await station.run(app, "while :; do :; done")

    async def now() -> StatsAnswer:
        return await station.ear.query("metrics", "stats", StatsQuery(app_id=app), StatsAnswer)

    async def sampled() -> ReplicaSample | None:
        (sample,) = (await now()).samples or (None,)
        return sample if sample and (sample.cpu_usage or 0) > 30 else None

    sample = await eventually(sampled, what="a rate")
    assert sample
    assert (sample.container_id, sample.memory_limit, sample.pids) == (container_id, 200.0, 2)
    assert (sample.network_rx_bytes, sample.network_tx_bytes) == (0, 0), "its network is none"
    assert sample.block_read_bytes is not None
    assert (await station.ear.query("metrics", "stats", StatsQuery(app_id=ids.new("app")), StatsAnswer)).samples == ()

    async def points() -> HistoryAnswer:
        return await station.ear.query("metrics", "history", HistoryQuery(app_id=app, minutes=5), HistoryAnswer)

    async def kept() -> bool:
        return any((point.cpu_usage or 0) > 30 for point in (await points()).points)

    await eventually(kept, what="a point of the history")
    await station.engine.call(station.engine.api.restart, container_id, timeout=0)
    again = await eventually(sampled, what="a rate after the restart")
    assert again
    assert again.cpu_usage is not None
    assert again.cpu_usage < 110
    assert all((point.cpu_usage_max or 0) < 110 for point in (await points()).points)
    await station.engine.call(station.engine.api.pause, container_id)

    async def rests() -> bool:
        (sample,) = (await now()).samples
        return sample.state is ReplicaState.PAUSED and sample.cpu_usage == 0.0 and sample.memory_usage is not None

    await eventually(rests, what="a paused container at rest")
    await containers.remove(station.engine, container_id)

    async def gone() -> bool:
        return (await now()).samples == ()

    await eventually(gone, what="the removed container to be gone")


async def test_files_out_of_reach(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without cgroup files the engine's own figures are taken, and they are the same ones."""
    monkeypatch.setattr(cgroups.Files.__init__, "__defaults__", (tmp_path / "cgroup", tmp_path / "proc"))
    station = await make()
    app = ids.new("app")
    await station.run(app, "exec sleep 1000")
    sample = of(await station.until(lambda seen: bool((sample := of(seen, app)) and sample.cpu_usage is not None)), app)
    assert sample
    assert (sample.memory_limit, sample.pids) == (200.0, 2)
    assert sample.memory_usage is not None
    assert 0 < sample.memory_usage < 50
