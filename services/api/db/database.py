"""The relational database: SQLite by default, PostgreSQL by URL. The same statements run on both."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from services.api.db.migrate import migrate
from services.api.db.outbox_row import Entry
from services.api.db.tables import MetaRow, OutboxRow
from services.api.db.tx import Tx

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
)


class Database:
    """Open it with `Database.open(url)`. `on_commit` is handed what a transaction has to say, once it is committed."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, base_domain: str) -> None:
        self._writer = writer
        self._reader = reader
        self.base_domain = base_domain
        self.epoch = 1
        self.on_commit: Callable[[Sequence[Entry]], None] = lambda _entries: None

    @classmethod
    async def open(cls, url: str, base_domain: str = "localhost") -> "Database":
        """Connect and bring the schema up to date. `url` is `sqlite+aiosqlite:///…` or `postgresql://…`."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            Path(parsed.database or "").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One writer at a time in this process: waiting here is fair, SQLite's own busy handler sleeps up to 100 ms.
            database = cls(_sqlite(url, size=1, begin="BEGIN IMMEDIATE"), _sqlite(url, size=4, begin="BEGIN"), base_domain)
        else:
            engine = create_async_engine(parsed.set(drivername="postgresql+asyncpg"), pool_size=10, pool_pre_ping=False)
            database = cls(engine, engine, base_domain)
        await migrate(database._writer)
        async with database.connect() as connection:
            epoch = await connection.execute(select(MetaRow.value).where(MetaRow.name == "epoch"))
            database.epoch = int(epoch.scalar_one())
        return database

    @property
    def sqlite_path(self) -> str | None:
        """The file, where the database is one."""
        return self._writer.url.database if self._writer.dialect.name == "sqlite" else None

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """Run a write transaction. It commits at the end of the block and rolls back when the block raises."""
        async with self._writer.begin() as connection:
            tx = Tx(connection, self.epoch, self.base_domain)
            yield tx
            await tx.flush()
            await _write_outbox(connection, tx.entries)
        if tx.entries:
            self.on_commit(tx.entries)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """One snapshot through the ORM. Nothing may be written."""
        async with self._reader.connect() as connection, AsyncSession(bind=connection, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """One snapshot through Core: for the hot paths. Nothing may be written."""
        async with self._reader.connect() as connection:
            yield connection


async def _write_outbox(connection: AsyncConnection, entries: list[Entry]) -> None:
    """Write `entries` and give each the id of its row."""
    if not entries:
        return
    now = time.time()
    rows = [
        {
            "kind": entry.kind.value,
            "subject": entry.subject,
            "app_id": entry.app_id,
            "message_id": entry.message_id,
            "body": entry.body,
            "headers": msgspec.json.encode(entry.headers),
            "created_at": now,
        }
        for entry in entries
    ]
    returned = await connection.execute(insert(OutboxRow).returning(OutboxRow.id, sort_by_parameter_order=True), rows)
    for entry, row_id in zip(entries, returned.scalars(), strict=True):
        entry.id = row_id


def _sqlite(url: str, *, size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=60)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own types are private
        connection.isolation_level = None  # the driver begins nothing by itself; `begun` does
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:  # noqa: ANN401 - as above
        connection.exec_driver_sql(begin)

    return engine
