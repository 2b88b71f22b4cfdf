"""Tables of apps: what is wanted of each, and what was last seen of it."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, Text, true
from sqlalchemy.orm import Mapped, mapped_column

from services.api.db.base import Base


class SlugRow(Base):
    """Who has a slug. `app_id` is None once the app is gone: then only the same project may take it again."""

    __tablename__ = "slugs"

    slug: Mapped[str] = mapped_column(String(48), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(40))
    app_id: Mapped[str | None] = mapped_column(String(40))


class AppRow(Base):
    """`release`, `revision` and `restart` only count up. `settings` is JSON of `AppSettings`, `env` a token around a JSON object.

    `volumes` is JSON of the `Wish` about their data.
    `current` and `candidate` are JSON of the `Release` that the runtime is told; `newest_status` is that of the newest deployment.
    `status…` is derived (`status.py`) each time something happens, so that reading is one row. `op` is the lifecycle call that is
    under way until the runtime has settled `op_revision`. `dropped` is the newest release whose image is not waited for any more;
    `limits_refused` is the engine's reason for not taking the limits. An app with a `git_repo_url` is built: its `image` is what was built
    last, `build` is JSON of `Build`, `watch_paths` a JSON list; `current_source` is JSON of the `Source` that the current release was
    built from. `git_user_id` is who chose the repository `git_user_repo`, and `git_connection_id` their
    connection, which counts for that one alone; `preview` JSON of `Preview`, `preview_env` a token around
    the variables that previews have otherwise. A preview is one of `preview_of`, for its pull request `preview_number`.
    `autoscale` is JSON of `Kept`, `most_replicas` its upper bound while it is on, and `scaled` JSON of the last `Decision`.
    `domains` is JSON of its custom domains by name, true where verified, `runs` of the open ones: copies of the tables'.
    `processes` is JSON of the `Size` of each beside `web`, by name; what they may use together is `process_cpu` and `process_memory`, None
    where one of them has no limit.
    `front` is JSON of `front.Kept`, `basic_auth` a token around a `Guard`.
    """

    __tablename__ = "apps"
    __table_args__ = (Index("ix_apps_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    slug: Mapped[str] = mapped_column(String(48), index=True)
    name: Mapped[str] = mapped_column(String(100))
    image: Mapped[str | None] = mapped_column(String(512))
    settings: Mapped[str] = mapped_column(Text)
    env: Mapped[str] = mapped_column(Text)
    env_keys: Mapped[str] = mapped_column(Text)
    git_provider: Mapped[str | None] = mapped_column(String(16))
    git_repo_url: Mapped[str | None] = mapped_column(String(512), index=True)
    git_branch: Mapped[str | None] = mapped_column(String(255))
    root_directory: Mapped[str | None] = mapped_column(String(512))
    dockerfile_path: Mapped[str | None] = mapped_column(String(512))
    watch_paths: Mapped[str] = mapped_column(Text, default="[]", server_default="[]")
    auto_deploy: Mapped[bool] = mapped_column(default=True, server_default=true())
    registry_id: Mapped[str | None] = mapped_column(String(40))
    build: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    git_user_id: Mapped[str | None] = mapped_column(String(40))
    git_user_repo: Mapped[str | None] = mapped_column(String(512))
    git_connection_id: Mapped[str | None] = mapped_column(String(40))
    deploy_tags: Mapped[str | None] = mapped_column(String(255))
    preview: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    preview_env: Mapped[str | None] = mapped_column(Text)
    preview_of: Mapped[str | None] = mapped_column(String(40), index=True)
    preview_number: Mapped[int | None]
    domains: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    front: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    basic_auth: Mapped[str | None] = mapped_column(Text)
    runs: Mapped[str] = mapped_column(Text, default="[]", server_default="[]")
    replicas: Mapped[int]
    autoscale: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    most_replicas: Mapped[int | None]
    scaled: Mapped[str | None] = mapped_column(Text)
    volumes: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    processes: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    process_cpu: Mapped[float | None] = mapped_column(Float, default=0, server_default="0")
    process_memory: Mapped[int | None] = mapped_column(default=0, server_default="0")
    cpu_limit: Mapped[float | None] = mapped_column(Float)
    memory_limit: Mapped[int | None]

    intent: Mapped[str] = mapped_column(String(12))
    release: Mapped[int]
    revision: Mapped[int]
    restart: Mapped[int]
    dropped: Mapped[int]
    settled: Mapped[int]
    op: Mapped[str | None] = mapped_column(String(12))
    op_revision: Mapped[int]
    current: Mapped[str | None] = mapped_column(Text)
    current_deployment_id: Mapped[str | None] = mapped_column(String(40))
    candidate: Mapped[str | None] = mapped_column(Text)
    candidate_deployment_id: Mapped[str | None] = mapped_column(String(40))
    newest_status: Mapped[str | None] = mapped_column(String(12))
    fingerprint: Mapped[str] = mapped_column(String(64))
    current_fingerprint: Mapped[str | None] = mapped_column(String(64))
    current_source: Mapped[str | None] = mapped_column(Text)

    status: Mapped[str] = mapped_column(String(12))
    status_reason: Mapped[str | None] = mapped_column(String(40))
    status_detail: Mapped[str | None] = mapped_column(Text)
    limits_refused: Mapped[str | None] = mapped_column(Text)
    current_replicas: Mapped[int]
    cpu_usage: Mapped[float | None] = mapped_column(Float)
    memory_usage: Mapped[float | None] = mapped_column(Float)
    synced_at: Mapped[str | None] = mapped_column(String(24))
    seen: Mapped[str | None] = mapped_column(Text)

    created_at: Mapped[str] = mapped_column(String(24))
    updated_at: Mapped[str] = mapped_column(String(24))
    gone_at: Mapped[str | None] = mapped_column(String(24))


class ReplicaRow(Base):
    """One container, as the runtime's events tell. A row goes when the container has gone."""

    __tablename__ = "replicas"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id"), index=True)
    container_id: Mapped[str] = mapped_column(String(80))
    process: Mapped[str] = mapped_column(String(20), default="web", server_default="web")
    release: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(20))
    at: Mapped[str] = mapped_column(String(40))
    exit_code: Mapped[int | None] = mapped_column(BigInteger)
    message: Mapped[str] = mapped_column(Text)
