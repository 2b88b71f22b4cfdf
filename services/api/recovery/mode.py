"""Recovery mode: the database is older than the bus or than what runs, so nobody may write until somebody says which of them wins."""

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import clock
from services.api.db.tables import MetaRow
from services.api.db.tx import Tx

_NAME = "recovery"
_NEEDED = select(MetaRow.value).where(MetaRow.name == _NAME)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Since when recovery is needed, RFC 3339, and the first thing that showed it."""

    since: str
    reason: str


async def needed(connection: AsyncConnection) -> Need | None:
    """What recovery waits for, if it does."""
    value = (await connection.execute(_NEEDED)).scalar_one_or_none()
    return None if value is None else msgspec.json.decode(value, type=Need)


async def begin(tx: Tx, reason: str) -> bool:
    """Stop all writing. False when that was said already: the first reason stands."""
    insert = postgresql_insert if tx.connection.dialect.name == "postgresql" else sqlite_insert
    value = msgspec.json.encode(Need(since=clock.now(), reason=reason[:200])).decode()
    made = await tx.connection.execute(insert(MetaRow).values(name=_NAME, value=value).on_conflict_do_nothing())
    return made.rowcount == 1


async def end(tx: Tx) -> None:
    await tx.connection.execute(delete(MetaRow).where(MetaRow.name == _NAME))
