"""Table of the apps that stand for pull requests, or for the branches of coding sessions."""

from sqlalchemy import BigInteger, Float, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class PreviewRow(Base):
    """A preview app. It goes at the end of its pull request, at `expires_at` (Unix time), or with its parent.

    Of a branch that a session pushed: `branch` names it, `number` is 0, and there is nobody to tell.

    `told` is the comment as it was last written, `comment_id` where; `done` once nothing more is to be said.
    """

    __tablename__ = "previews"

    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"), primary_key=True)
    parent_id: Mapped[str] = mapped_column(String(40), index=True)
    number: Mapped[int]
    branch: Mapped[str | None] = mapped_column(String(255))
    repo: Mapped[str] = mapped_column(String(512))
    expires_at: Mapped[float] = mapped_column(Float)
    why_removed: Mapped[str | None] = mapped_column(String(200))
    comment_id: Mapped[int | None] = mapped_column(BigInteger)
    told: Mapped[str] = mapped_column(Text, default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    done: Mapped[bool] = mapped_column(default=False, server_default=false(), index=True)
