"""The tables that are no feature's own: the outbox, the stream's cursor, idempotency, and facts about the database itself."""

from sqlalchemy import BigInteger, Float, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class OutboxRow(Base):
    """What is to be said on the bus. A row goes once the bus has acknowledged it. `id` grows with time."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str] = mapped_column(String(200))
    app_id: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[str] = mapped_column(String(120))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[float] = mapped_column(Float)


class CursorRow(Base):
    """How far EVENTS was read. One row; it moves by compare-and-set, which is the fence between API replicas."""

    __tablename__ = "cursor"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)


class MetaRow(Base):
    """Facts about the database itself: `epoch`."""

    __tablename__ = "meta"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(400))


class IdempotencyRow(Base):
    """One `Idempotency-Key` of one principal and, encrypted, the first answer to it."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_created_at", "created_at"),)

    principal: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[float] = mapped_column(Float)
