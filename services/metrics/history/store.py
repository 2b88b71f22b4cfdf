"""The history's own database: SQLite, three levels of points, each sample added to the point of its time in all of them.

A point is a sum and a count, so that a level needs no other to be made from: nothing is caught up after a stop, and a clock that
jumps back adds to the points that are there. `Store` blocks: it is used in a thread (`keeper`).
"""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from libs.common.clock import rfc3339
from libs.common.messages.metrics import HistoryPoint
from services.metrics.history.recorder import OF_APP, Row
from services.metrics.history.resolution import LEVELS, Window

_VERSION = 1
_BUSY_SECONDS = 5
_PURGED_AT_ONCE = 20
"""Series a step. Each loses a few points, for what is due comes round every few minutes."""

_TABLE = """CREATE TABLE IF NOT EXISTS {table} (
    series INTEGER NOT NULL, at INTEGER NOT NULL,
    n INTEGER NOT NULL, cpu_n INTEGER NOT NULL, cpu REAL NOT NULL, cpu_max REAL,
    memory REAL NOT NULL, memory_max REAL NOT NULL,
    rx INTEGER, tx INTEGER, reads INTEGER, writes INTEGER, pids INTEGER,
    PRIMARY KEY (series, at)) WITHOUT ROWID"""
_ADD = """INSERT INTO {table} VALUES (:series, :at, 1, :cpu_n, :cpu, :cpu_max, :memory, :memory, :rx, :tx, :reads, :writes, :pids)
    ON CONFLICT DO UPDATE SET
    n = n + 1, cpu_n = cpu_n + excluded.cpu_n, cpu = cpu + excluded.cpu,
    cpu_max = coalesce(max(cpu_max, excluded.cpu_max), cpu_max, excluded.cpu_max),
    memory = memory + excluded.memory, memory_max = max(memory_max, excluded.memory_max),
    rx = coalesce(rx + excluded.rx, rx, excluded.rx), tx = coalesce(tx + excluded.tx, tx, excluded.tx),
    reads = coalesce(reads + excluded.reads, reads, excluded.reads), writes = coalesce(writes + excluded.writes, writes, excluded.writes),
    pids = coalesce(max(pids, excluded.pids), pids, excluded.pids)"""
_PAGE = """SELECT at / :interval * :interval AS start, sum(cpu) / nullif(sum(cpu_n), 0), max(cpu_max),
    sum(memory) / sum(n), max(memory_max), sum(rx), sum(tx), sum(reads), sum(writes), max(pids)
    FROM {table} WHERE series = (SELECT id FROM series WHERE app = :app AND replica = :replica) AND at >= :start AND at < :end
    GROUP BY start ORDER BY start"""

_OLD = "DELETE FROM {table} WHERE series = ? AND at < ?"


class Store:
    """One file. Any `sqlite3.Error` of a call leaves what was there before it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._series: dict[tuple[str, str], int] = {}
        self._purged = 0
        try:
            self._prepare()
        except BaseException:
            self.db.close()
            raise

    def _prepare(self) -> None:
        self.db.execute("PRAGMA journal_mode = WAL")
        # What a power cut may take is the last seconds of measuring; the file stays whole.
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, app TEXT NOT NULL, replica TEXT NOT NULL, UNIQUE (app, replica))"
        )
        for level in LEVELS:
            self.db.execute(_TABLE.format(table=level.table))
        self.db.execute(f"PRAGMA user_version = {_VERSION}")
        self._series = {(app, replica): number for number, app, replica in self.db.execute("SELECT id, app, replica FROM series")}

    def add(self, at: float, rows: Iterable[Row]) -> None:
        """Add samples of Unix time `at` to the points of every level."""
        with Transaction(self):
            values = [self._values(row) for row in rows]
            for level in LEVELS:
                start = int(at) // level.step * level.step
                self.db.executemany(_ADD.format(table=level.table), [{**each, "at": start} for each in values])

    def _values(self, row: Row) -> dict[str, object]:
        rx, tx, reads, writes = row.moved
        return {
            "series": self._number(row.app_id, row.replica),
            "cpu_n": int(row.cpu is not None),
            "cpu": row.cpu or 0.0,
            "cpu_max": row.cpu,
            "memory": row.memory,
            "rx": rx,
            "tx": tx,
            "reads": reads,
            "writes": writes,
            "pids": row.pids,
        }

    def _number(self, app: str, replica: str) -> int:
        number = self._series.get((app, replica))
        if number is None:
            number = int(self.db.execute("INSERT INTO series (app, replica) VALUES (?, ?) RETURNING id", (app, replica)).fetchone()[0])
            self._series[app, replica] = number
        return number

    def forget_numbers(self) -> None:
        """After a transaction that was undone, some of them may not be in the file."""
        self._series = {(app, replica): number for number, app, replica in self.db.execute("SELECT id, app, replica FROM series")}

    def page(self, app: str, replica: str | None, window: Window) -> tuple[HistoryPoint, ...]:
        """The points of a window, oldest first."""
        given = {"app": app, "replica": replica or OF_APP, "interval": window.interval, "start": window.start, "end": window.end}
        return tuple(map(_point, self.db.execute(_PAGE.format(table=window.level.table), given)))

    def purge(self, now: float) -> None:
        """Remove what is older than its level keeps, of the next few series; a series that has nothing left goes too."""
        found = self.db.execute("SELECT id FROM series WHERE id > ? ORDER BY id LIMIT ?", (self._purged, _PURGED_AT_ONCE)).fetchall()
        self._purged = found[-1][0] if len(found) == _PURGED_AT_ONCE else 0
        with Transaction(self):
            for (number,) in found:
                for level in LEVELS:
                    self.db.execute(_OLD.format(table=level.table), (number, now - level.keep - level.step))
                gone = "DELETE FROM series WHERE id = ? AND NOT EXISTS (SELECT 1 FROM coarse WHERE series = series.id)"
                if self.db.execute(gone, (number,)).rowcount:
                    self._series = {key: each for key, each in self._series.items() if each != number}

    def close(self) -> None:
        self.db.close()


class Transaction:
    """All of it or nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._store.db.execute("COMMIT")
            return
        if self._store.db.in_transaction:
            self._store.db.execute("ROLLBACK")
        self._store.forget_numbers()


def _point(
    row: tuple[int, float | None, float | None, float, float, int | None, int | None, int | None, int | None, int | None],
) -> HistoryPoint:
    at, cpu, cpu_max, memory, memory_max, rx, tx, reads, writes, pids = row
    return HistoryPoint(
        at=rfc3339(datetime.fromtimestamp(at, UTC)),
        cpu_usage=None if cpu is None else round(cpu, 2),
        cpu_usage_max=None if cpu_max is None else round(cpu_max, 2),
        memory_usage=round(memory, 2),
        memory_usage_max=round(memory_max, 2),
        network_rx_bytes=rx,
        network_tx_bytes=tx,
        block_read_bytes=reads,
        block_write_bytes=writes,
        pids=pids,
    )
