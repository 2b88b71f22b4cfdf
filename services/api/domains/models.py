"""The table of custom domains."""

from sqlalchemy import Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class DomainRow(Base):
    """A name that an app claims; it is routed once `verified_at` is set. The app's row keeps a copy of both, for one reading.

    `dns` is JSON of `Dns`, what was found at `checked_at`. `next_check_at` is Unix time, `checks` how many looks there were.
    """

    __tablename__ = "domains"
    __table_args__ = (Index("ix_domains_app_id_id", "app_id", "id"), Index("ix_domains_next_check_at", "next_check_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(253), unique=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"))
    dns: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(24))
    checked_at: Mapped[str] = mapped_column(String(24))
    verified_at: Mapped[str | None] = mapped_column(String(24))
    next_check_at: Mapped[float] = mapped_column(Float)
    checks: Mapped[int] = mapped_column(Integer)


class CertificateRow(Base):
    """What the routers said last of the certificate of a host: `state` is JSON of `Certificate`, `said_at` the time of the fact."""

    __tablename__ = "certificates"

    host: Mapped[str] = mapped_column(String(253), primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    said_at: Mapped[str] = mapped_column(String(24))
