"""The history: what is kept of samples, how fine a page is, and what a damaged or full file does."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.clock import parse
from libs.common.messages.metrics import MOST_POINTS, HistoryQuery, ReplicaSample
from libs.common.messages.router import AppTraffic
from libs.common.states import ReplicaState
from services.metrics.history.clocks import Clock
from services.metrics.history.keeper import History
from services.metrics.history.recorder import Recorder, Row, TrafficRow, passed
from services.metrics.history.resolution import COARSE, LEVELS, MIDDLE, RAW, Level, Window, choose
from services.metrics.history.store import Store
from services.metrics.observe import until_tick
from tests.stack.eventually import eventually

NOON = 1_800_000_000 // 43_200 * 43_200
APP = "app_1"


def sample(container: str, memory: float | None = 10.0, **fields: object) -> ReplicaSample:
    given: dict[str, object] = {"cpu_usage": 5.0, "app_id": APP, "state": ReplicaState.RUNNING, "release": 1, **fields}
    return ReplicaSample(replica=container, container_id=container, memory_usage=memory, **given)  # type: ignore[arg-type]


def row(cpu: float | None = 10.0, memory: float = 100.0, replica: str = "", rx: int | None = 5) -> Row:
    return Row(app_id=APP, replica=replica, cpu=cpu, memory=memory, moved=(rx, None, 0, 1), pids=3)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [(100, 130, 30), (100, 100, 0), (100, 7, 7), (None, 7, None), (7, None, None)],
)
def test_a_counter_never_goes_back(before: int | None, now: int | None, expected: int | None) -> None:
    assert passed(before, now) == expected


def test_rows_of_replicas_and_their_sum() -> None:
    recorder = Recorder()
    first = recorder.rows([sample("a", network_rx_bytes=1_000, pids=2), sample("b", None)])
    assert [(each.replica, each.memory, each.moved[0]) for each in first] == [("a", 10.0, None), ("", 10.0, None)]
    later = recorder.rows([sample("a", network_rx_bytes=1_500, pids=2), sample("b", 4.0, network_rx_bytes=9_999, pids=1, cpu_usage=None)])
    assert [(each.replica, each.cpu, each.memory, each.moved[0], each.pids) for each in later] == [
        ("a", 5.0, 10.0, 500, 2),
        ("b", None, 4.0, None, 1),
        ("", 5.0, 14.0, 500, 3),
    ]
    recorder.rows([])
    assert recorder.rows([sample("a", network_rx_bytes=2_000)])[0].moved[0] is None, "what was away begins anew"


@pytest.mark.parametrize(
    ("minutes", "sync", "interval", "level"),
    [
        (1, 30, 30, RAW),
        (60, 30, 30, RAW),
        (500, 30, 30, RAW),
        (501, 30, 300, MIDDLE),
        (1_440, 30, 300, MIDDLE),
        (5_000, 30, 300, MIDDLE),
        (5_001, 30, 1_800, MIDDLE),
        (30_000, 30, 1_800, MIDDLE),
        (30_001, 30, 3_600, COARSE),
        (60_001, 30, 21_600, COARSE),
        (525_600, 30, 43_200, COARSE),
        (60, 31, 300, MIDDLE),
        (60, 2, 30, RAW),
        (60, 100_000, 43_200, COARSE),
    ],
)
def test_resolution(minutes: int, sync: float, interval: int, level: Level) -> None:
    window = choose(minutes, sync, NOON + 12.5)
    assert (window.interval, window.level) == (interval, level)


def test_a_window_ends_now_and_has_at_most_a_thousand_points() -> None:
    for minutes in range(1, 525_601, 97):
        window = choose(minutes, 30, NOON + 12.5)
        assert window.start <= NOON + 12.5 < window.end <= NOON + 12.5 + window.interval
        assert (window.end - window.start) // window.interval <= MOST_POINTS
        assert window.interval % window.level.step == window.start % window.interval == 0
        assert window.end - window.start <= window.level.keep + window.interval


def test_what_passed_is_kept_beside_and_its_percentiles_are_those_of_the_sum(tmp_path: Path) -> None:
    store, recorder = Store(tmp_path / "history.db"), Recorder(since=100.0)
    slow = (0,) * 9 + (10,) + (0,) * 4
    first = [AppTraffic(app_id=APP, requests=90, status_2xx=90, times=(90,) + (0,) * 13)]
    store.add(NOON, [row(), row(replica="a")], recorder.traffic(first, 130.0))
    assert recorder.traffic(None, 145.0) == [], "not known"
    second = [AppTraffic(app_id=APP, requests=10, status_5xx=10, times=slow)]
    store.add(NOON + 30, [row(), row(replica="a")], recorder.traffic(second, 160.0))
    store.add(NOON + 60, [row()])
    raw = store.page(APP, None, Window(level=RAW, interval=30, start=NOON, end=NOON + 90))
    assert [(each.requests, each.requests_per_second, each.status_5xx, each.response_time_p50) for each in raw] == [
        (90, 3.0, 0, 0.5),
        (10, 0.33, 10, 750.0),
        (None, None, None, None),
    ]
    (five,) = store.page(APP, None, Window(level=MIDDLE, interval=300, start=NOON, end=NOON + 300))
    assert (five.requests, five.requests_per_second, five.response_time_p99) == (100, 1.67, 950.0)
    (one, _) = store.page(APP, "a", Window(level=RAW, interval=30, start=NOON, end=NOON + 60))
    assert one.requests is None
    store.purge(NOON + 2 * 86_400)
    assert store.db.execute("SELECT count(*) FROM raw_traffic").fetchone() == (0,)
    assert store.db.execute("SELECT count(*) FROM middle_traffic").fetchone() == (1,)
    store.close()


def test_a_file_of_the_first_schema_goes_on_with_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = Store(path)
    store.add(NOON, [row(cpu=7.0)])
    for level in LEVELS:
        store.db.execute(f"DROP TABLE {level.table}_traffic")
    store.db.execute("PRAGMA user_version = 1")
    store.close()
    store = Store(path)
    store.add(NOON + 30, [row()], [TrafficRow(app_id=APP, seconds=30, passed=AppTraffic(app_id=APP, requests=3))])
    points = store.page(APP, None, Window(level=RAW, interval=30, start=NOON, end=NOON + 60))
    assert [(point.cpu_usage, point.requests) for point in points] == [(7.0, None), (10.0, 3)]
    assert store.db.execute("PRAGMA user_version").fetchone() == (2,)
    store.close()


@pytest.mark.parametrize("interval", [0.5, 2, 30, 45])
@pytest.mark.parametrize("part", [0, 0.1, 0.49, 0.5, 0.51, 0.99])
def test_ticks_lie_in_the_middle(interval: float, part: float) -> None:
    """Whatever the moment, and so whatever a clock did that was set: the next tick is near, and in the middle of an interval."""
    now = NOON + part * interval
    wait = until_tick(now, interval)
    assert interval / 2 <= wait <= interval * 1.5
    assert (now + wait) % interval == pytest.approx(interval / 2, abs=1e-5)


def page(store: Store, level: Level, start: int, end: int, *, interval: int = 0, replica: str | None = None) -> list[tuple[int, ...]]:
    window = Window(level=level, interval=interval or level.step, start=start, end=end)
    return [
        (int(parse(point.at).timestamp()), point.cpu_usage, point.cpu_usage_max, point.memory_usage, point.network_rx_bytes)  # type: ignore[misc]
        for point in store.page(APP, replica, window)
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "metrics" / "history.db")


def test_every_level_has_its_means_and_maxima(store: Store) -> None:
    for number, cpu in enumerate((10.0, 20.0, 60.0, None)):
        store.add(NOON + 15 + 30 * number, [row(cpu, 100.0 * (number + 1))])
    store.add(NOON + 315, [row(70.0, 500.0, rx=None)])
    assert page(store, RAW, NOON, NOON + 60) == [(NOON, 10.0, 10.0, 100.0, 5), (NOON + 30, 20.0, 20.0, 200.0, 5)]
    assert page(store, MIDDLE, NOON, NOON + 600) == [(NOON, 30.0, 60.0, 250.0, 20), (NOON + 300, 70.0, 70.0, 500.0, None)]
    assert page(store, COARSE, NOON, NOON + 3_600) == [(NOON, 40.0, 70.0, 300.0, 20)]
    assert page(store, MIDDLE, NOON, NOON + 1_800, interval=1_800) == [(NOON, 40.0, 70.0, 300.0, 20)]


def test_gaps_stay_gaps_and_replicas_are_apart(store: Store) -> None:
    store.add(NOON, [row(1.0), row(1.0, replica="a")])
    store.add(NOON + 90, [row(2.0), row(3.0, replica="b")])
    assert [each[0] for each in page(store, RAW, NOON, NOON + 300)] == [NOON, NOON + 90]
    assert [each[1] for each in page(store, RAW, NOON, NOON + 300, replica="b")] == [3.0]
    assert page(store, RAW, NOON, NOON + 300, replica="nobody") == []


def test_a_clock_that_jumps_an_hour(store: Store) -> None:
    """Forward leaves a gap; back adds to what is there: nothing is lost, doubled rows included, and no mean is absurd."""
    for at in (NOON, NOON + 3_600, NOON, NOON + 30):
        store.add(at, [row(10.0)])
    assert [each[:2] for each in page(store, RAW, NOON, NOON + 7_200)] == [(NOON, 10.0), (NOON + 30, 10.0), (NOON + 3_600, 10.0)]
    assert [each[1] for each in page(store, COARSE, NOON, NOON + 7_200)] == [10.0, 10.0]


def test_what_is_old_goes_in_small_steps(store: Store) -> None:
    for number in range(50):
        store.add(NOON, [row(replica=f"r{number}")])
    count = "SELECT count(*) FROM raw"
    late = NOON + RAW.keep + RAW.step + 1
    store.purge(late)
    assert store.db.execute(count).fetchone() == (30,), "twenty series a step"
    for _ in range(3):
        store.purge(late)
    assert store.db.execute(count).fetchone() == (0,)
    assert store.db.execute("SELECT count(*) FROM middle").fetchone() == (50,), "each level keeps its own time"
    for _ in range(4):
        store.purge(NOON + COARSE.keep + COARSE.step + 1)
    for table in ("middle", "coarse", "series"):
        assert store.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608 - a name of ours
    store.add(NOON, [row(replica="r1")])
    assert len(page(store, RAW, NOON, NOON + 30, replica="r1")) == 1


def test_it_is_there_after_a_restart_and_a_failed_write_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.add(NOON, [row(1.0)])
    with pytest.raises(sqlite3.Error):
        store.add(NOON + 30, [row(2.0, replica="new"), row("x" * 10, memory=None)])  # type: ignore[arg-type]
    store.add(NOON + 60, [row(3.0, replica="new")])
    store.close()
    again = Store(tmp_path / "metrics" / "history.db")
    assert [each[1] for each in page(again, RAW, NOON, NOON + 300)] == [1.0]
    assert [each[0] for each in page(again, RAW, NOON, NOON + 300, replica="new")] == [NOON + 60]
    assert len(LEVELS) == 3


def test_what_could_not_be_committed_is_undone_and_its_numbers_with_it(store: Store) -> None:
    """SQLite may leave a transaction open whose commit failed: on a disk that is full, or while a file cannot grow."""
    store.add(NOON, [row(1.0)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(file.stat().st_size for file in store._place[0].parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(sqlite3.Error):
            store.add(NOON + 30, [row(9.0, replica=f"lost {number}") for number in range(2_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not store.db.in_transaction
    store.add(NOON + 60, [row(2.0), row(3.0, replica="other"), row(4.0, replica="lost 7")])
    assert [each[1] for each in page(store, RAW, NOON, NOON + 90, replica="other")] == [3.0]
    assert [each[1] for each in page(store, RAW, NOON, NOON + 90, replica="lost 7")] == [4.0]
    assert [each[1] for each in page(store, RAW, NOON, NOON + 90)] == [1.0, 2.0]


def test_a_failed_commit_holds_up_nothing_that_comes_later(store: Store) -> None:
    store.db.execute("PRAGMA foreign_keys = ON")
    store.db.execute("CREATE TABLE child (series INTEGER REFERENCES series DEFERRABLE INITIALLY DEFERRED)")
    store.db.execute("CREATE TRIGGER spoil AFTER INSERT ON series WHEN new.app = 'app_2' BEGIN INSERT INTO child VALUES (-1); END")
    spoilt = Row(app_id="app_2", replica="", cpu=1.0, memory=1.0, moved=(1, 1, 1, 1), pids=1)
    with pytest.raises(sqlite3.IntegrityError):
        store.add(NOON, [spoilt])
    store.add(NOON, [row(5.0)])
    assert [each[1] for each in page(store, RAW, NOON, NOON + 30)] == [5.0]
    assert store.page("app_2", None, Window(level=RAW, interval=30, start=NOON, end=NOON + 30)) == ()


def test_a_number_is_not_given_again_while_something_is_kept_under_it(store: Store) -> None:
    """An app whose containers all ended has traffic, and no sample."""
    store.add(NOON, [], [TrafficRow(app_id="app_2", seconds=30, passed=AppTraffic(app_id="app_2", requests=7))])
    store.purge(NOON + 60)
    store.add(NOON, [row()], [TrafficRow(app_id=APP, seconds=30, passed=AppTraffic(app_id=APP, requests=3))])
    (point,) = store.page(APP, None, Window(level=RAW, interval=30, start=NOON, end=NOON + 30))
    assert point.requests == 3
    for _ in range(2):
        store.purge(NOON + COARSE.keep + COARSE.step + 1)
    for table in ("coarse", "coarse_traffic", "series"):
        assert store.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608 - a name of ours


def test_numbers_that_are_remembered_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.metrics.history.store._REMEMBERED", 3)
    for number in range(10):
        store.add(NOON, [row(float(number), replica=f"r{number}"), row(1.0, replica="r0")])
    assert len(store._series) <= 3
    assert [each[1] for each in page(store, RAW, NOON, NOON + 30, replica="r9")] == [9.0]


def test_a_clock_that_was_set_is_not_believed_at_once() -> None:
    """It may be set back: what a year's wrong date would have removed is still there."""
    clock, year = Clock(), 365 * 86_400.0
    seen = [(clock.is_sound(NOON + ahead + now, now), now) for now, ahead in ((t * 30.0, year * (t > 60)) for t in range(120))]
    assert [now for sound, now in seen if sound] == [t * 30.0 for t in range(120) if 30 <= t <= 60 or t >= 91]


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    history = History(tmp_path / "history.db", 2)
    running = asyncio.create_task(history.run())
    yield history
    running.cancel()
    history.close()


async def _kept(history: History) -> None:
    """Record until it is in a page."""

    async def shown() -> bool:
        history.record((sample("a"),))
        return bool((await history.page(HistoryQuery(app_id=APP, minutes=5))).points)

    await eventually(shown, what="a point")


async def test_a_damaged_file_is_set_aside(history: History, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"this was a database once" * 400)
    answer = await history.page(HistoryQuery(app_id=APP, minutes=5))
    assert answer.points == ()
    assert "not a database" in answer.trouble
    assert history.trouble
    await _kept(history)
    assert history.trouble == ""
    assert (tmp_path / "history.db.broken").read_bytes().startswith(b"this was")


async def test_a_file_that_somebody_took_away_is_begun_anew(history: History, tmp_path: Path) -> None:
    await _kept(history)
    (tmp_path / "history.db").rename(tmp_path / "kept.db")

    async def is_there() -> bool:
        history.record((sample("a"),))
        return (tmp_path / "history.db").exists() and history.trouble == ""

    await eventually(is_there, what="another file")


async def test_a_file_that_could_not_be_written_is_opened_anew(history: History) -> None:
    """A connection that began on a disk that was read-only stays so."""
    await _kept(history)
    first = history._store
    assert first
    first.db.execute("PRAGMA query_only = ON")

    async def gets_over() -> bool:
        history.record((sample("a"),))
        return history._store not in {None, first} and not history.trouble

    await eventually(gets_over, what="a write")


async def test_a_full_disk_is_said_and_gets_over(history: History) -> None:
    await _kept(history)
    store = history._store
    assert store
    (size,) = store.db.execute("PRAGMA page_count").fetchone()
    store.db.execute(f"PRAGMA max_page_count = {size}")

    async def full() -> bool:
        history.record(tuple(sample(f"{'long' * 100}-{number}") for number in range(200)))
        return "full" in history.trouble

    await eventually(full, what="the word that it is full")
    assert (await history.page(HistoryQuery(app_id=APP, minutes=5))).points, "what is there is still shown"
    assert "full" in history.trouble, "and does not say that there is room"
    store.db.execute("PRAGMA max_page_count = 1000000")

    async def has_room() -> bool:
        history.record((sample("a"),))
        return history.trouble == ""

    await eventually(has_room, what="a write")
