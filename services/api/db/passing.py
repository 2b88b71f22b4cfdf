"""Which of the database's errors pass by themselves, and which come again with what was tried."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

_WRONG = ("22", "23", "42")
"""Classes of PostgreSQL's SQLSTATE that mean the statement or its values, such as a NUL in a text."""


def passes(error: DBAPIError) -> bool:
    """Whether it is the database's own trouble, and not something in what was tried that it never takes."""
    is_of_it = isinstance(error, (DataError, IntegrityError, ProgrammingError))
    return not is_of_it and not str(getattr(error.orig, "sqlstate", None) or "").startswith(_WRONG)
