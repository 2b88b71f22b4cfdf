"""The address of a PostgreSQL database, as its own programs take it."""

import pytest

from libs.supervisor.backup.databases import plain_url


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("postgresql+asyncpg://u:p%40w@db:5/name", "postgresql://u:p%40w@db:5/name"),
        ("postgresql://u@db/name?ssl=require", "postgresql://u@db/name?sslmode=require"),
        ("postgresql+asyncpg://u@db/name?prepared_statement_cache_size=0&ssl=verify-full", "postgresql://u@db/name?sslmode=verify-full"),
        ("postgresql+asyncpg://u@/name?host=/run/postgresql", "postgresql://u@/name?host=%2Frun%2Fpostgresql"),
    ],
)
def test_what_is_sqlalchemys_is_said_otherwise_or_left_out(url: str, plain: str) -> None:
    assert plain_url(url) == plain
