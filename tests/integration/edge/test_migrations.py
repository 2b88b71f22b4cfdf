"""Each migration down and up again with rows in every table, on both databases; and a database that is newer than the API."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text

from libs.common.config import PREFIX
from services.api.db import migrate
from services.api.db.database import writer_for
from services.api.db.models import Base
from services.api.settings import Settings

ROOT = Path(__file__).parents[3]
_ROWS = 2
_VALUES = {int: lambda n: n, float: float, bool: lambda n: n == 1, bytes: lambda n: b"%d" % n, str: lambda n: f"v{n}"}


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


def on(url: str, do: Any) -> Any:
    """Run `do(connection)` in one transaction."""

    async def run() -> Any:
        engine = writer_for(url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(do)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def reflect(connection: Connection) -> list[Table]:
    seen = MetaData()
    seen.reflect(connection)
    return [table for table in seen.sorted_tables if table.name != "alembic_version"]


_SEEN: dict[tuple[str, str | None], list[Table]] = {}


def tables(connection: Connection) -> list[Table]:
    """Looked at once for each schema; a step down has to leave the tables that were there before."""
    schema = connection.dialect.name, migrate.version(connection)
    if schema not in _SEEN:
        _SEEN[schema] = reflect(connection)
    found = _SEEN[schema]
    assert {table.name for table in found} == set(inspect(connection).get_table_names()) - {"alembic_version"}
    return found


def fill(connection: Connection) -> None:
    """Two rows more in each table that has none yet, made from the types of its columns."""
    for table in tables(connection):
        if connection.execute(select(func.count()).select_from(table)).scalar_one() == 0:
            rows = [{column.name: _VALUES[column.type.python_type](n) for column in table.columns} for n in range(1, _ROWS + 1)]
            connection.execute(insert(table), rows)


def count(connection: Connection) -> dict[str, int]:
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables(connection)}


def test_each_migration_down_and_up_with_rows(empty: Settings) -> None:
    url = empty.database
    known = revisions()
    assert known == sorted(known), "refusing a newer schema takes revisions that rise"
    for before, revision in zip([None, *known], known, strict=False):
        assert migrate.bring(url, revision) == before
        on(url, fill)
        if before is None:
            continue
        full = on(url, count)
        migrate.bring(url, before)
        assert migrate.found(url) == before
        kept = on(url, count)
        assert kept == {name: full[name] for name in kept}, f"{revision} lost rows on the way down"
        assert kept
        migrate.bring(url, revision)
        again = on(url, count)
        assert {name: again[name] for name in kept} == kept, f"{revision} lost rows on the way up"
        on(url, fill)
    assert on(url, lambda connection: compare_metadata(MigrationContext.configure(connection), Base.metadata)) == []
    migrate.bring(url, known[0])
    assert migrate.found(url) == known[0]


def test_a_migration_that_fails_changes_nothing(empty: Settings) -> None:
    url = empty.database
    migrate.bring(url, "0001")
    on(url, lambda connection: connection.execute(text("CREATE TABLE audit (id INTEGER)")))
    with pytest.raises(Exception, match="audit"):
        migrate.bring(url, "head")
    assert migrate.found(url) == "0001"
    columns = on(url, lambda connection: {column.name for table in reflect(connection) for column in table.columns})
    assert "agent" not in columns


def test_an_api_refuses_a_database_that_is_newer(empty: Settings) -> None:
    url = empty.database
    migrate.bring(url, "head")
    on(url, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    own = {
        f"{PREFIX}{name.upper()}": str(getattr(empty, name)) for name in ("home", "instance", "nats_url", "nats_setup_url", "secret_key")
    }
    plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "services.api"],
        env={**plain, **own, "DOCKUP_DATABASE_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"api: the database has schema 9999, and this Dockup knows none after {migrate.HEAD}: a newer one has upgraded it. "
        "Start the newer one, or go back with it: dockup upgrade --undo\n"
    )
    assert migrate.found(url) == "9999"
