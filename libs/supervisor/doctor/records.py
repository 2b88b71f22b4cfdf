"""What the doctor reads from the database itself, so that it can look while Dockup is down."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from libs.supervisor.backup.databases import plain_url

_APPS = "SELECT id, slug, gone_at IS NOT NULL FROM apps"
_RECOVERY = "SELECT value FROM meta WHERE name = 'recovery'"
_SECONDS = 5.0
FAULTS = (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, TypeError)


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict` is `ok` for a database that is whole; `gone` holds slugs by id of apps that were deleted, `apps` of all others.

    `time` is the database's clock in seconds since 1970, None where it is this machine's own.
    """

    kind: str
    verdict: str
    schema: str
    size_bytes: int
    apps: dict[str, str]
    gone: dict[str, str]
    recovery: str | None
    time: float | None = None


async def read(url: str, file: Path) -> Records:
    """Read the PostgreSQL database that `url` names, else the SQLite file. Raises one of `FAULTS`."""
    if url.startswith("postgresql"):
        async with asyncio.timeout(_SECONDS):
            return await _postgres(url)
    return await asyncio.to_thread(_sqlite, file)


def _sqlite(file: Path) -> Records:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=_SECONDS)) as database:
        (verdict,) = database.execute("PRAGMA quick_check").fetchone()
        (schema,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        recovery = database.execute(_RECOVERY).fetchone()
        apps = database.execute(_APPS).fetchall()
    size = sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*"))
    there, gone = _sorted(apps)
    return Records(
        kind="SQLite",
        verdict=verdict,
        schema=schema,
        size_bytes=size,
        apps=there,
        gone=gone,
        recovery=recovery[0] if recovery else None,
    )


async def _postgres(url: str) -> Records:
    connection = await asyncpg.connect(plain_url(url))
    try:
        version = await connection.fetchval("SHOW server_version")
        schema = await connection.fetchval("SELECT version_num FROM alembic_version")
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        now = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        recovery, apps = await connection.fetchrow(_RECOVERY), await connection.fetch(_APPS)
    finally:
        await connection.close()
    there, gone = _sorted(apps)
    return Records(
        kind=f"PostgreSQL {version.split()[0]}",
        verdict="ok",
        schema=schema,
        size_bytes=size,
        apps=there,
        gone=gone,
        recovery=recovery[0] if recovery else None,
        time=now,
    )


def _sorted(rows: list[Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Slugs by id: apps that are there, and those that are gone."""
    return {row[0]: row[1] for row in rows if not row[2]}, {row[0]: row[1] for row in rows if row[2]}
