"""Brings the schema up to date at start. Any number of API processes may start at once: one migrates, the others find it done."""

import asyncio
import contextlib
import os
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.errors import DockupError

HEAD = "0020"
"""The newest revision in `migrations/versions`; a test holds it to what Alembic finds there."""
_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_300_101


class NewerSchemaError(DockupError):
    """A newer Dockup has migrated the database: this one would not understand what it reads."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"the database has schema {seen}, and this Dockup knows none after {HEAD}: a newer one has upgraded it. "
            "Start the newer one, or go back with it: dockup upgrade --undo"
        )


async def migrate(engine: AsyncEngine) -> None:
    """`NewerSchemaError` for a database that a newer version has migrated."""
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_upgrade)


def refuse_newer(url: str) -> str | None:
    """Return what `found` says, or raise `NewerSchemaError`, before anything is started.

    A database that does not answer is somebody else's to tell of.
    """
    seen = found(url)
    if seen is not None and seen > HEAD:
        raise NewerSchemaError(seen)
    return seen


def migrate_apart(url: str) -> None:
    """Bring the schema up to date in a process of its own, so that the memory that Alembic takes goes with it.

    Before any event loop runs. What fails there fails again, and is told, when the database is opened.
    """
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    with contextlib.suppress(Exception):
        asyncio.run(_migrate(url))
    os._exit(0)


async def _migrate(url: str) -> None:
    from services.api.db.database import writer_for  # noqa: PLC0415 - Database imports this module

    engine = writer_for(url)
    await migrate(engine)
    await engine.dispose()


def found(url: str) -> str | None:
    """The schema's revision; None for a database that is empty or does not answer."""
    return asyncio.run(_read(url))


def bring(url: str, revision: str) -> str | None:
    """Migrate up or down to `revision`, all of it or nothing; return what it was. No API may run."""
    return asyncio.run(_bring(url, revision))


async def _read(url: str) -> str | None:
    from services.api.db.database import writer_for  # noqa: PLC0415 - Database imports this module

    engine = writer_for(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(version)
    except Exception:  # noqa: BLE001 - the start that follows says why
        return None
    finally:
        await engine.dispose()


async def _bring(url: str, revision: str) -> str | None:
    from services.api.db.database import writer_for  # noqa: PLC0415 - Database imports this module

    engine = writer_for(url)
    try:
        async with engine.begin() as connection:
            before = await connection.run_sync(version)
            await connection.run_sync(partial(_move, revision=revision, down=before is not None and revision < before))
    finally:
        await engine.dispose()
    return before


def _upgrade(connection: Connection) -> None:
    seen = version(connection)
    if seen == HEAD:
        return
    if seen is not None and seen > HEAD:
        raise NewerSchemaError(seen)
    _move(connection, revision="head", down=False)


def _move(connection: Connection, *, revision: str, down: bool) -> None:
    # Alembic costs memory and time that only a new schema is worth.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    (command.downgrade if down else command.upgrade)(config, revision)


def version(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
