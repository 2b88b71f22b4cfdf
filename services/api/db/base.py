"""The one declarative base: every table of the API hangs on it, whichever feature folder it stands in."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# Constraints have names, so that a migration can change them on both databases.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=_NAMES)
