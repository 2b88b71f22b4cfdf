"""The table of private registries."""

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class RegistryRow(Base):
    """A login of one user. `sealed` is a token around a `RegistryLogin`: whole, as the builder is given it."""

    __tablename__ = "registries"
    __table_args__ = (Index("ix_registries_owner_id_server", "owner_id", "server"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    server: Mapped[str] = mapped_column(String(262))
    username: Mapped[str] = mapped_column(String(255))
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(24))
