"""Tables of outgoing hooks: who wants to be told of what, and what is to be told or was."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, String, Text, true
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class NotificationRow(Base):
    """A hook of a project. `events` is a JSON list of patterns, `apps` one of app ids or None for all.

    `sealed` is a token around a `Target`. It is told of what comes after `from_seq` in the feed. `problem` says why it was switched
    off by itself.
    """

    __tablename__ = "notifications"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(12))
    events: Mapped[str] = mapped_column(Text)
    apps: Mapped[str | None] = mapped_column(Text)
    sealed: Mapped[str] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    problem: Mapped[str | None] = mapped_column(Text)
    from_seq: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[str] = mapped_column(String(24))


class NotificationDeliveryRow(Base):
    """One event for one hook. `source` is the event's `seq`, or a test's own word; `body` is the JSON of the `Notice`.

    `pending` until a 2xx came, or until the tries are over; `next_at` is when it is tried next, in Unix time.
    """

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        Index("ix_notification_deliveries_notification_id_source", "notification_id", "source", unique=True),
        Index("ix_notification_deliveries_status_next_at", "status", "next_at"),
        Index("ix_notification_deliveries_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    notification_id: Mapped[str] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(String(60))
    event_type: Mapped[str] = mapped_column(String(60))
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(12))
    attempts: Mapped[int]
    next_at: Mapped[float] = mapped_column(Float)
    response_status: Mapped[int | None]
    detail: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(24))
    ended_at: Mapped[str | None] = mapped_column(String(24))
