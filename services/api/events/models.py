"""The feed: every event that came by the stream, under the stream's own sequence."""

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class EventRow(Base):
    """`seq` is the stream's sequence; `event_id` is made from the fact, so a fact that is said twice is one row. `data` is JSON."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_app_id_seq", "app_id", "seq"), Index("ix_events_at", "at"))

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(String(160), unique=True)
    type: Mapped[str] = mapped_column(String(60))
    at: Mapped[str] = mapped_column(String(40))
    app_id: Mapped[str | None] = mapped_column(String(40))
    project_id: Mapped[str | None] = mapped_column(String(40), index=True)
    deployment_id: Mapped[str | None] = mapped_column(String(40))
    actor: Mapped[str | None] = mapped_column(String(300))
    level: Mapped[str] = mapped_column(String(10))
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[str] = mapped_column(Text)
