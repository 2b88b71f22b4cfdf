"""The migrations make what the models say, and the newest is the one that start looks for."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from services.api.db import migrate
from services.api.db.database import Database
from services.api.db.models import Base

FOLDER = Path(migrate.__file__).parent / "migrations"


def test_head_is_alembics() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


async def test_models_and_migrations_agree(tmp_path: Path) -> None:

    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    await database.close()
    with create_engine(f"sqlite:///{tmp_path}/x.db").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
