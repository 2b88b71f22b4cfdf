"""SQLite on the event loop: what SQLAlchemy's aiosqlite dialect asks of a connection, without a thread for each.

A statement of ours takes microseconds; aiosqlite's four thread hops a statement take a hundred times as long, and more on a busy
machine. Only a commit, which syncs the disk, runs in a thread. The loop never waits for another process's lock: it tries again.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Self

_BUSY_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
SYNCED, AT_ONCE = "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL"
"""Whether a commit waits until the disk has it. In WAL mode the disk never has a later one without those before it."""
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA foreign_keys=ON",
    SYNCED,
)
_commits = ThreadPoolExecutor(4, thread_name_prefix="sqlite-commit")


async def connect(path: str) -> "Connection":
    """Open the file; SQLAlchemy's `async_creator`."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        await patiently(connection.execute, pragma)
    return Connection(connection)


async def sync(path: str) -> None:
    """Return when the disk has all that is committed by now."""
    await asyncio.get_running_loop().run_in_executor(_commits, _sync, path)


def _sync(path: str) -> None:
    # SQLite keeps the log beside the file itself, not beside a link to it.
    try:
        descriptor = os.open(f"{os.path.realpath(path)}-wal", os.O_RDONLY)
    except FileNotFoundError:
        return  # what it held is in the database itself, synced
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


async def patiently(do: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what `do` returns
    """Call `do`, again and again for 5 s while another process has the lock. What is locked out has had no effect."""
    end, pause = monotonic() + _BUSY_SECONDS, _FIRST_PAUSE
    while True:
        try:
            return do(*arguments)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


class Cursor:
    """A `sqlite3.Cursor` with the face of aiosqlite's."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        await patiently(self._cursor.execute, statement, parameters)

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        await patiently(self._cursor.executemany, statement, list(parameters))

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def fetchone(self) -> Any:  # noqa: ANN401 - a row, or None
        return self._cursor.fetchone()

    async def fetchmany(self, size: int) -> list[Any]:
        return self._cursor.fetchmany(size)

    async def close(self) -> None:
        self._cursor.close()

    @property
    def description(self) -> Any:  # noqa: ANN401 - as the DB-API has it
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    @property
    def arraysize(self) -> int:
        return self._cursor.arraysize

    @arraysize.setter
    def arraysize(self, value: int) -> None:
        self._cursor.arraysize = value


class Connection:
    """A `sqlite3.Connection` with the face of aiosqlite's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._conn = connection
        self._connection = connection

    def cursor(self) -> Cursor:
        return Cursor(self._conn.cursor())

    async def create_function(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as sqlite3 has it
        self._conn.create_function(*arguments, **options)

    async def commit(self) -> None:
        """In a thread, for the disk's sync takes milliseconds. A commit that began is waited for, even when the caller is cancelled."""
        if not self._conn.in_transaction:
            return
        done = asyncio.get_running_loop().run_in_executor(_commits, self._conn.commit)
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait({done})
            raise

    async def rollback(self) -> None:
        self._conn.rollback()

    async def close(self) -> None:
        self._conn.close()

    def stop(self) -> None:
        self._conn.close()
