"""Connections to git hosts, webhooks with their deliveries, previews of pull requests, and what GitHub is still to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _text(name: str, length: int, *, null: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=null)


def _tries() -> tuple[sa.Column, sa.Column]:
    return sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"), sa.Column("next_at", sa.Float(), nullable=False, server_default="0")


def upgrade() -> None:
    op.add_column("apps", _text("git_user_id", 40, null=True))
    op.add_column("apps", _text("git_user_repo", 512, null=True))
    op.add_column("apps", _text("git_connection_id", 40, null=True))
    op.add_column("apps", _text("deploy_tags", 255, null=True))
    op.add_column("apps", sa.Column("preview", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("apps", sa.Column("preview_env", sa.Text(), nullable=True))
    op.create_table(
        "git_states",
        _text("id", 64),
        _text("user_id", 40),
        _text("session_id", 40, null=True),
        _text("browser", 64, null=True),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_git_states")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_git_states_user_id_users"), ondelete="CASCADE"),
    )
    op.create_table(
        "git_connections",
        _text("id", 40),
        _text("user_id", 40),
        _text("provider", 16),
        _text("server", 300),
        _text("account", 100),
        _text("scopes", 300),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("refresh_at", sa.Float(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        _text("created_at", 24),
        _text("updated_at", 24),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_git_connections")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_git_connections_user_id_users"), ondelete="CASCADE"),
    )
    op.create_index("ix_git_connections_user_id_provider", "git_connections", ["user_id", "provider"], unique=True)
    op.create_table(
        "git_reports",
        _text("deployment_id", 40),
        _text("app_id", 40),
        _text("connection_id", 40),
        _text("repo", 512),
        _text("told", 12, null=True),
        sa.Column("github_id", sa.BigInteger(), nullable=True),
        *_tries(),
        sa.Column("done", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_git_reports")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_git_reports_app_id_apps")),
    )
    op.create_index("ix_git_reports_done_next_at", "git_reports", ["done", "next_at"])
    _webhooks()
    op.create_table(
        "previews",
        _text("app_id", 40),
        _text("parent_id", 40),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("repo", 512),
        sa.Column("expires_at", sa.Float(), nullable=False),
        _text("why_removed", 200, null=True),
        sa.Column("comment_id", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.Text(), nullable=False, server_default=""),
        *_tries(),
        sa.Column("done", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("app_id", name=op.f("pk_previews")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_previews_app_id_apps")),
    )
    op.create_index(op.f("ix_previews_parent_id"), "previews", ["parent_id"])
    op.create_index(op.f("ix_previews_done"), "previews", ["done"])


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        _text("app_id", 40),
        sa.Column("secret", sa.Text(), nullable=False),
        _text("state", 12),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
        _text("connection_id", 40, null=True),
        _text("repo", 512, null=True),
        sa.Column("hook_id", sa.BigInteger(), nullable=True),
        *_tries(),
        sa.PrimaryKeyConstraint("app_id", name=op.f("pk_webhooks")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_webhooks_app_id_apps")),
    )
    op.create_index("ix_webhooks_state_next_at", "webhooks", ["state", "next_at"])
    op.create_table(
        "webhook_deliveries",
        _text("id", 40),
        _text("app_id", 40),
        _text("provider", 16),
        _text("delivery", 100),
        _text("event", 40),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("rejected", sa.Boolean(), nullable=False, server_default=sa.false()),
        _text("received_at", 24),
        _text("deployment_id", 40, null=True),
        _text("redelivery_of", 40, null=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_webhook_deliveries_app_id_apps")),
    )
    op.create_index("ix_webhook_deliveries_app_id_id", "webhook_deliveries", ["app_id", "id"])
    op.create_index("ix_webhook_deliveries_received_at", "webhook_deliveries", ["received_at"])
    op.create_table(
        "webhook_keys",
        _text("key", 200),
        _text("delivery_id", 40),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_webhook_keys")),
    )


def downgrade() -> None:
    for table in ("webhook_keys", "webhook_deliveries", "webhooks", "previews", "git_reports", "git_connections", "git_states"):
        op.drop_table(table)
    for name in ("preview_env", "preview", "deploy_tags", "git_connection_id", "git_user_repo", "git_user_id"):
        op.drop_column("apps", name)
