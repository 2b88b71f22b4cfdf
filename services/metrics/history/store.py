"""The history's own database: SQLite, three levels of points, each sample added to the point of its time in all of them.

A point is a sum and a count, so that a level needs no other to be made from: nothing is caught up after a stop, and a clock that
jumps back adds to the points that are there. `Store` blocks: it is used in a thread (`keeper`).
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from libs.common.clock import rfc3339
from libs.common.messages.metrics import HistoryPoint
from services.metrics.history import passed
from services.metrics.history.recorder import OF_APP, Row, TrafficRow
from services.metrics.history.resolution import LEVELS, Window

_VERSION = 2
"""Of the schema. 2 has the tables of traffic; those of 1 stand as they were, so that going back loses nothing."""
_BUSY_SECONDS = 5
_PURGED_AT_ONCE = 20
"""Series a step. Each loses a few points, for what is due comes round every few minutes."""
_REMEMBERED = 10_000
"""Numbers of series: each deploy has new ones, and they are kept for a year."""

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

_NEW = "INSERT INTO series (app, replica) VALUES (?, ?) RETURNING id"
_GONE = """DELETE FROM series WHERE id = ? AND NOT EXISTS (SELECT 1 FROM coarse WHERE series = series.id)
    AND NOT EXISTS (SELECT 1 FROM coarse_traffic WHERE series = series.id)"""
# Of a series that goes nothing stays: its number is given again.
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
            self._place = path, path.stat().st_ino
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
            self.db.execute(passed.TABLE.format(table=level.table))
        # On a full disk nothing can be written, and what is there can be read all the same.
        if self.db.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            self.db.execute(f"PRAGMA user_version = {_VERSION}")

    def add(self, at: float, rows: Iterable[Row], traffic: Iterable[TrafficRow] = ()) -> None:
        """Add samples of Unix time `at`, and what passed until then, to the points of every level."""
        with self._all_or_nothing():
            values = [self._values(row) for row in rows]
            flows = [(self._number(row.app_id, OF_APP), passed.values(row)) for row in traffic]
            for level in LEVELS:
                start = int(at) // level.step * level.step
                self.db.executemany(_ADD.format(table=level.table), [{**each, "at": start} for each in values])
                self.db.executemany(passed.ADD.format(table=level.table), [(number, start, *each) for number, each in flows])

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
        key = app, replica
        if key not in self._series:
            if len(self._series) >= _REMEMBERED:
                self._series.clear()
            self._series[key] = self._find(*key) or int(self.db.execute(_NEW, key).fetchone()[0])
        return self._series[key]

    def _find(self, app: str, replica: str) -> int | None:
        found = self.db.execute("SELECT id FROM series WHERE app = ? AND replica = ?", (app, replica)).fetchone()
        return int(found[0]) if found else None

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """A transaction. SQLite undoes it by itself after some errors, and not after others, those of the commit among them."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            # Numbers that it gave may not be in the file, and be given to others.
            self._series.clear()
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def page(self, app: str, replica: str | None, window: Window) -> tuple[HistoryPoint, ...]:
        """The points of a window, oldest first."""
        given = {"app": app, "replica": replica or OF_APP, "interval": window.interval, "start": window.start, "end": window.end}
        found = self.db.execute(_PAGE.format(table=window.level.table), given).fetchall()
        flows = {row[0]: row[1:] for row in self.db.execute(passed.PAGE.format(table=window.level.table), given)}
        return tuple(_point(row, flows.get(row[0])) for row in found)

    def purge(self, now: float) -> None:
        """Remove what is older than its level keeps, of the next few series; a series that has nothing left goes too."""
        found = self.db.execute("SELECT id FROM series WHERE id > ? ORDER BY id LIMIT ?", (self._purged, _PURGED_AT_ONCE)).fetchall()
        self._purged = found[-1][0] if len(found) == _PURGED_AT_ONCE else 0
        with self._all_or_nothing():
            for (number,) in found:
                for level in LEVELS:
                    for table in (level.table, f"{level.table}_traffic"):
                        self.db.execute(_OLD.format(table=table), (number, now - level.keep - level.step))
                if self.db.execute(_GONE, (number,)).rowcount:
                    self._series = {key: each for key, each in self._series.items() if each != number}

    def is_in_place(self) -> bool:
        """Whether the file is still the one that was opened: somebody may have removed or replaced it."""
        path, number = self._place
        return path.exists() and path.stat().st_ino == number

    def close(self) -> None:
        self.db.close()


def _point(
    row: tuple[int, float | None, float | None, float, float, int | None, int | None, int | None, int | None, int | None],
    flow: tuple[float, ...] | None,
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
        **(passed.fields(*flow) if flow else {}),
    )
