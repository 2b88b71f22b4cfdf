"""The table of runs."""

from sqlalchemy import Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class RunRow(Base):
    """A one-off command. `command` is a JSON list, `failure` JSON of `Failure`. The app's row keeps a copy of the open ones."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_app_id_id", "app_id", "id"),
        Index("ix_runs_job_id_id", "job_id", "id"),
        Index("ix_runs_finished_at", "finished_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"))
    command: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(12))
    trigger: Mapped[str] = mapped_column(String(8))
    job_id: Mapped[str | None] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(300))
    timeout_seconds: Mapped[float] = mapped_column(Float)
    exit_code: Mapped[int | None]
    release: Mapped[int | None]
    failure: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(24))
    started_at: Mapped[str | None] = mapped_column(String(24))
    finished_at: Mapped[str | None] = mapped_column(String(24))
    cancel_requested_at: Mapped[str | None] = mapped_column(String(24))
