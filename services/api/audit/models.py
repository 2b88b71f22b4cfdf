"""The table of who did what."""

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class AuditRow(Base):
    """One thing that a person or key did, or tried to log in for. Ids are kept as text: the row outlives what it names.

    `action` is the type of the event, or `login.refused`, `api_key.revealed` and so on. `outcome` is `done` or `refused`.
    `detail` is the command of `exec.started` and `exec.ended`, in which replica, and how it ended.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_project_id_id", "project_id", "id"), Index("ix_audit_at", "at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[str] = mapped_column(String(24))
    action: Mapped[str] = mapped_column(String(60))
    outcome: Mapped[str] = mapped_column(String(10))
    target: Mapped[str | None] = mapped_column(String(80))
    project_id: Mapped[str | None] = mapped_column(String(40))
    user_id: Mapped[str | None] = mapped_column(String(40), index=True)
    actor: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str | None] = mapped_column(String(40))
    session_id: Mapped[str | None] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(128))
    detail: Mapped[str | None] = mapped_column(Text)
