"""A release can be undone: each migration goes down and up again on both databases, and what the older schema had stays."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from services.api.db import migrate
from services.api.db.database import Database
from services.api.db.models import Base

_FOLDER = Path(migrate.__file__).parent / "migrations"
_OLDEST, _NEWEST = 1, int(migrate.HEAD)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


_BETWEEN = [pytest.param(to, marks=pytest.mark.long) for to in range(_NEWEST - 2, _OLDEST, -1)]
"""Each step by itself is walked in tests/integration/edge/test_migrations.py."""


@pytest.mark.parametrize("to", [_NEWEST - 1, *_BETWEEN, _OLDEST])
async def test_down_and_up_again(database_url: str, to: int) -> None:
    await (await Database.open(database_url)).close()
    url = make_url(database_url)
    engine = create_async_engine(url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+asyncpg"))
    name = f"of {to}"
    row = "INSERT INTO users (id, email, password_hash, role, disabled, created_at) VALUES (:id, :id, 'x', 'member', false, 'now')"
    try:
        async with engine.begin() as connection:
            await connection.execute(text(row), {"id": name})
            await connection.run_sync(lambda sync: command.downgrade(_config(sync), f"{to:04}"))
            assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == f"{to:04}"
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(_config(sync), "head"))
            assert await connection.scalar(text("SELECT count(*) FROM users WHERE id = :id"), {"id": name}) == 1
            assert await connection.run_sync(lambda sync: compare_metadata(MigrationContext.configure(sync), Base.metadata)) == []
    finally:
        await engine.dispose()
