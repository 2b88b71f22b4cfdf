"""Table of the keys for the model's API that users have stored."""

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class CodexKeyRow(Base):
    """One user's own. `sealed` is the key, encrypted; `ends_with` its last characters, by which its owner knows it."""

    __tablename__ = "codex_keys"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    ends_with: Mapped[str] = mapped_column(String(4))
    updated_at: Mapped[str] = mapped_column(String(24))
