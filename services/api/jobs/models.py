"""The table of jobs."""

from sqlalchemy import Float, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class JobRow(Base):
    """A command that runs by the clock. `next_at` is Unix time, None while it is not enabled; whoever moves it on makes the run.

    `skipped` counts the ticks at which the run before was still open.
    """

    __tablename__ = "jobs"
    __table_args__ = (UniqueConstraint("app_id", "name", name="uq_jobs_app_id_name"), Index("ix_jobs_next_at", "next_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"))
    name: Mapped[str] = mapped_column(String(100))
    schedule: Mapped[str] = mapped_column(String(120))
    time_zone: Mapped[str] = mapped_column(String(64))
    command: Mapped[str] = mapped_column(Text)
    timeout_seconds: Mapped[float] = mapped_column(Float)
    allow_overlap: Mapped[bool]
    enabled: Mapped[bool]
    next_at: Mapped[float | None] = mapped_column(Float)
    last_run_id: Mapped[str | None] = mapped_column(String(40))
    skipped: Mapped[int]
    last_skipped_at: Mapped[str | None] = mapped_column(String(24))
    created_at: Mapped[str] = mapped_column(String(24))
    updated_at: Mapped[str] = mapped_column(String(24))
