"""The relational database: SQLite by default, PostgreSQL by URL. The same statements run on both."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from libs.common.secrets import Vault
from services.api.audit.write import write
from services.api.db import inline
from services.api.db.migrate import migrate
from services.api.db.outbox_row import Entry
from services.api.db.tables import MetaRow, OutboxRow
from services.api.db.tx import Tx
from services.api.db.voice import Voice

_SAY = insert(OutboxRow)
_EPOCH = select(MetaRow.value).where(MetaRow.name == "epoch")


class Database:
    """Open it with `Database.open(url)`. `sqlite_path` is the file, where the database is one.

    `voice` says what a transaction has to say, once it is committed.
    """

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, base_domain: str, sqlite_path: str | None = None) -> None:
        self._writer = writer
        self._deriver = writer.execution_options(derived=True)
        self._reader = reader
        self.base_domain = base_domain
        self.sqlite_path = sqlite_path
        self.epoch = 1
        self.keep_releases = 5
        self.vault: Vault | None = None
        self.voice = Voice(sqlite_path)

    @classmethod
    async def open(cls, url: str, base_domain: str = "localhost") -> "Database":
        """Connect and bring the schema up to date. `url` is `sqlite+aiosqlite:///…` or `postgresql://…`."""
        parsed = make_url(url)
        writer = writer_for(url)
        if parsed.get_backend_name() == "sqlite":
            path = parsed.database or ""
            database = cls(writer, _sqlite(path, size=4, begin="BEGIN"), base_domain, path)
        else:
            database = cls(writer, writer, base_domain)
        await migrate(database._writer)
        await database.reload_epoch()
        return database

    async def reload_epoch(self) -> None:
        """Another process may have raised it."""
        async with self.connect() as connection:
            self.epoch = int((await connection.execute(_EPOCH)).scalar_one())

    async def close(self) -> None:
        await self.voice.close()
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def begin(self, *, derived: bool = False) -> AsyncIterator[Tx]:
        """Run a write transaction. It commits at the end of the block and rolls back when the block raises.

        `derived`: all of it follows from what the bus keeps. SQLite's commit does not wait for the disk then: readers see it at once,
        and what it has to say is said when the disk has it. A power failure may take it back, after which it is derived again.
        """
        async with (self._deriver if derived else self._writer).begin() as connection:
            tx = Tx(connection, self.epoch, self.base_domain, self.keep_releases, self.vault)
            yield tx
            await tx.flush()
            await write(connection, tx.acts)
            await _write_outbox(connection, tx.entries)
        (self.voice.committed if derived else self.voice.stored)(tx.entries)

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


def writer_for(url: str) -> AsyncEngine:
    """The connections that write. SQLite has one in this process, which is fair: nobody has to try again and again."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_async_engine(parsed.set(drivername="postgresql+asyncpg"), pool_size=10, pool_pre_ping=False)
    path = Path(parsed.database or "")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _sqlite(str(path), size=1, begin="BEGIN IMMEDIATE", writes=True)


async def _write_outbox(connection: AsyncConnection, entries: list[Entry]) -> None:
    if not entries:
        return
    now = time.time()
    rows = [
        {
            "id": entry.id,
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
    await connection.execute(_SAY, rows)


def _sqlite(path: str, *, size: int, begin: str, writes: bool = False) -> AsyncEngine:
    engine = create_async_engine(
        "sqlite+aiosqlite://",
        async_creator=partial(inline.connect, path),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=60,
    )

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own types are private
        if writes:
            connection.exec_driver_sql(inline.AT_ONCE if connection.get_execution_options().get("derived") else inline.SYNCED)
        connection.exec_driver_sql(begin)

    return engine
