"""Rows of what somebody outside is still to be told or asked, tried until it is done: each by one process at a time, with growing gaps."""

import time
from typing import Any, TypeVar

from sqlalchemy import select, update

from services.api.db.database import Database

T = TypeVar("T")
_HELD_SECONDS = 60.0
"""How long a row is one process's own; longer than any call of GitHub or of a hook."""
_FIRST, _LONGEST = 1.0, 900.0
MOST = 50
"""Rows that are taken at a time."""


async def due(db: Database, kind: type[T], *where: Any) -> list[T]:  # noqa: ANN401 - conditions
    """Rows whose time has come, the oldest first."""
    table: Any = kind
    query = select(kind).where(*where, table.next_at <= time.time()).order_by(table.next_at).limit(MOST)
    async with db.read() as session:
        return list((await session.execute(query)).scalars())


async def claim(db: Database, row: Any, when: str = "next_at") -> bool:  # noqa: ANN401 - a row with a time of its next try
    """Whether this process has it now; `when`, the column of its time, is in the row in hand then what stands in the table."""
    kind = type(row)
    key = kind.__table__.primary_key.columns
    mine = [column == getattr(row, column.name) for column in key]
    until = time.time() + _HELD_SECONDS
    async with db.begin() as tx:
        took = await tx.connection.execute(update(kind).where(*mine, getattr(kind, when) == getattr(row, when)).values({when: until}))
    setattr(row, when, until)
    return bool(took.rowcount == 1)


async def put(db: Database, row: Any, **values: object) -> None:  # noqa: ANN401 - a row with `next_at`
    """Write what came of it, unless somebody wanted something else in the meantime: then that comes next."""
    kind = type(row)
    mine = [column == getattr(row, column.name) for column in kind.__table__.primary_key.columns]
    async with db.begin() as tx:
        await tx.connection.execute(update(kind).where(*mine, kind.next_at == row.next_at).values(**values))


def later(attempts: int, least: float = 0.0) -> float:
    """The Unix time of the next try after so many that failed."""
    gap: float = min(_FIRST * 2.0 ** min(attempts, 20), _LONGEST)
    return time.time() + max(least, gap)
