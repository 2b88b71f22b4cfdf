"""The table of volumes. Which of them an app has, and where, stands in its settings; a row is there for as long as the data."""

from sqlalchemy import BigInteger, Float, ForeignKey, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class VolumeRow(Base):
    """`app_id` is who has it, or had it last and is gone. `mount_path` is where it stands, or stood last; `copy` counts its restores.

    `size_bytes` is as of `measured_at`, None until then. `purging`: the data is being destroyed. `backup` is JSON of `Schedule` and
    `backup_last` of `BackupDone`; `backup_at` is when the next one is due, in seconds since 1970.
    """

    __tablename__ = "volumes"
    __table_args__ = (UniqueConstraint("app_id", "name", name="uq_volumes_app_id_name"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"))
    name: Mapped[str] = mapped_column(String(32))
    mount_path: Mapped[str] = mapped_column(String(255))
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    copy: Mapped[int] = mapped_column(default=1, server_default="1")
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    measured_at: Mapped[str | None] = mapped_column(String(24))
    purging: Mapped[bool] = mapped_column(default=False, server_default=false())
    backup: Mapped[str | None] = mapped_column(Text)
    backup_at: Mapped[float | None] = mapped_column(Float, index=True)
    backup_last: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(24))
