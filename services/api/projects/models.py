"""Tables of projects and who may work in them."""

from sqlalchemy import Float, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class ProjectRow(Base):
    """A project has one owner, and members with a role of their own.

    When it goes, the row stays as the history of its apps, without an owner. A quota that is None is the server's.
    `shared_env` is a token around a JSON object, `shared_versions` JSON of how often each of its variables was set.
    """

    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[str] = mapped_column(String(24))
    updated_at: Mapped[str] = mapped_column(String(24))
    gone_at: Mapped[str | None] = mapped_column(String(24))
    quota_apps: Mapped[int | None]
    quota_cpu: Mapped[float | None] = mapped_column(Float)
    quota_memory: Mapped[int | None]
    shared_env: Mapped[str | None] = mapped_column(Text)
    shared_versions: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")

    @classmethod
    def made(cls, project_id: str, name: str, owner_id: str | None, now: str) -> "ProjectRow":
        """A new one, without quotas of its own."""
        return cls(
            id=project_id,
            name=name,
            owner_id=owner_id,
            created_at=now,
            updated_at=now,
            gone_at=None,
            quota_apps=None,
            quota_cpu=None,
            quota_memory=None,
            shared_env=None,
            shared_versions="{}",
        )


class MemberRow(Base):
    """`role` is `viewer`, `deployer` or `maintainer`."""

    __tablename__ = "project_members"

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[str] = mapped_column(String(24))
