"""Rows that a transaction holds until its end, so that nobody else changes them meanwhile.

All take them in one order: users, the project, its apps by id, then what belongs to an app, and last what a project may use. Who needs
several apps asks for all of them at once. Two orders would be a deadlock on PostgreSQL, which ends one of the two.

A row that is held may still be referred to: with the stronger lock, which only a row that is to be deleted needs, an app's volume or
preview would wait for whoever holds the project, and that one for the app.
"""

from typing import Any, TypeVar

from sqlalchemy import GenerativeSelect
from sqlalchemy.sql.selectable import ForUpdateArg

S = TypeVar("S", bound=GenerativeSelect)
HELD = ForUpdateArg(key_share=True)
"""For `session.get(…, with_for_update=HELD)`."""


def held(query: S, of: Any = None) -> S:  # noqa: ANN401 - a table, or several
    """The query, holding the rows that it finds; of a join those of `of` alone. SQLite has one writer anyway."""
    return query.with_for_update(of=of, key_share=True)


def held_to_delete(query: S) -> S:
    """As `held`, for rows that are to go: nobody begins to refer to them."""
    return query.with_for_update()
