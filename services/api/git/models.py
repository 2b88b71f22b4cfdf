"""Tables of what is known of git hosts: who connected what, and what is still to be told."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class GitStateRow(Base):
    """One authorization that was begun. `id` is the SHA-256 of its state; the row goes when the host sends the browser back.

    `verifier` is PKCE's, sealed. `browser` is the SHA-256 of the cookie of the browser that began it; None for one begun by API key.
    """

    __tablename__ = "git_states"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[str | None] = mapped_column(String(40))
    browser: Mapped[str | None] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Float)


class GitConnectionRow(Base):
    """A user's account at a git host. `token` is sealed around a `Token`; `login` around the `GitLogin` that builds are given.

    `server` is the host's address. `refresh_at` is the Unix time from which on the token is to be made anew, None for one that stays.
    `problem` says why the host does not take it any more.
    """

    __tablename__ = "git_connections"
    __table_args__ = (Index("ix_git_connections_user_id_provider", "user_id", "provider", unique=True),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(String(16))
    server: Mapped[str] = mapped_column(String(300))
    account: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(300))
    token: Mapped[str] = mapped_column(Text)
    login: Mapped[str] = mapped_column(Text)
    refresh_at: Mapped[float | None] = mapped_column(Float)
    problem: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(24))
    updated_at: Mapped[str] = mapped_column(String(24))


class ReportRow(Base):
    """A deployment that GitHub is told of, until its end is told. `told` is the last status that was; `github_id` the Deployment there."""

    __tablename__ = "git_reports"
    __table_args__ = (Index("ix_git_reports_done_next_at", "done", "next_at"),)

    deployment_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"))
    connection_id: Mapped[str] = mapped_column(String(40))
    repo: Mapped[str] = mapped_column(String(512))
    told: Mapped[str | None] = mapped_column(String(12))
    github_id: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[float] = mapped_column(Float)
    done: Mapped[bool] = mapped_column(default=False, server_default=false())
