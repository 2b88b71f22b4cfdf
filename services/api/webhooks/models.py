"""Tables of webhooks: what is wanted at the host, and every delivery with its verdict."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class WebhookRow(Base):
    """The webhook of an app's repository. `secret` is sealed. `state` is `manual`, `wanted`, `active`, `failed` or `unwanted`.

    `hook_id` is GitHub's, in the repository `repo`; `detail` says in words why it is not active.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_state_next_at", "state", "next_at"),)

    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12))
    detail: Mapped[str] = mapped_column(Text, default="", server_default="")
    connection_id: Mapped[str | None] = mapped_column(String(40))
    repo: Mapped[str | None] = mapped_column(String(512))
    hook_id: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")


class DeliveryRow(Base):
    """One delivery, for one app. `delivery` is the host's own id of it; `payload` JSON of what was read of it, for a redelivery."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_app_id_id", "app_id", "id"), Index("ix_webhook_deliveries_received_at", "received_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"))
    provider: Mapped[str] = mapped_column(String(16))
    delivery: Mapped[str] = mapped_column(String(100))
    event: Mapped[str] = mapped_column(String(40))
    verdict: Mapped[str] = mapped_column(Text)
    rejected: Mapped[bool] = mapped_column(default=False, server_default=false())
    received_at: Mapped[str] = mapped_column(String(24))
    deployment_id: Mapped[str | None] = mapped_column(String(40))
    redelivery_of: Mapped[str | None] = mapped_column(String(40))
    payload: Mapped[str | None] = mapped_column(Text)


class DeliveryKeyRow(Base):
    """A delivery that was taken, for ever: `key` is the app, the provider and the host's id of it."""

    __tablename__ = "webhook_keys"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(String(40))
