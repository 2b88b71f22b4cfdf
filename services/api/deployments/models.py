"""Tables of deployments and the releases that they make."""

from sqlalchemy import ForeignKey, Index, String, Text, true
from sqlalchemy.orm import Mapped, deferred, mapped_column

from services.api.db.base import Base


class DeploymentRow(Base):
    """`status` moves by `advance()` alone. `number` is the number of its release. `phases` and `failure` are JSON.

    `replaces` is, of an upload, what the app's image was when it came: only that one does it replace.
    `commit`, `commit_message` (its first line) and `ref` are of one that was built; `dockerfile` is the one that was written for it.
    """

    __tablename__ = "deployments"
    __table_args__ = (Index("ix_deployments_app_id_number", "app_id", "number", unique=True), Index("ix_deployments_status", "status"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"))
    number: Mapped[int]
    trigger: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(12))
    actor: Mapped[str] = mapped_column(String(300))
    request_id: Mapped[str] = mapped_column(String(128))
    image_digest: Mapped[str | None] = mapped_column(String(600))
    created_at: Mapped[str] = mapped_column(String(24))
    started_at: Mapped[str | None] = mapped_column(String(24))
    deploying_at: Mapped[str | None] = mapped_column(String(24))
    finished_at: Mapped[str | None] = mapped_column(String(24))
    asked_at: Mapped[str] = mapped_column(String(24))
    replaces: Mapped[str | None] = mapped_column(String(512))
    commit: Mapped[str | None] = mapped_column(String(64))
    commit_message: Mapped[str | None] = mapped_column(Text)
    ref: Mapped[str | None] = mapped_column(String(255))
    dockerfile: Mapped[str | None] = deferred(mapped_column(Text))
    phases: Mapped[str] = mapped_column(Text)
    failure: Mapped[str | None] = mapped_column(Text)


class ReleaseRow(Base):
    """What containers are made from, frozen when the deploy was asked for.

    Only `image_id`, `exposed_port` and `procfile` are filled in once, when the image is ready: the second is the TCP port that it
    exposes, where that is one alone, the third JSON of the commands in its source's Procfile, by name. `restores` is the release whose
    image a rollback goes back to. `image_kept` is False as soon as the builder may have taken the image away. `shared` is a token around
    the values of the shared variables that `env` refers to. `source` is JSON of the `Source` that the app had, also where the image came
    from elsewhere.
    """

    __tablename__ = "releases"

    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    deployment_id: Mapped[str] = mapped_column(String(40))
    image: Mapped[str] = mapped_column(String(512))
    image_id: Mapped[str | None] = mapped_column(String(80))
    exposed_port: Mapped[int | None]
    procfile: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    settings: Mapped[str] = mapped_column(Text)
    env: Mapped[str] = mapped_column(Text)
    shared: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64))
    restores: Mapped[int | None]
    image_kept: Mapped[bool] = mapped_column(default=True, server_default=true())
