"""One-off commands, and the jobs that have them run by the clock."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apps", sa.Column("runs", sa.Text(), nullable=False, server_default="[]"))
    op.create_table(
        "runs",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("app_id", sa.String(40), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("trigger", sa.String(8), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=True),
        sa.Column("actor", sa.String(300), nullable=False),
        sa.Column("timeout_seconds", sa.Float(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("release", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("started_at", sa.String(24), nullable=True),
        sa.Column("finished_at", sa.String(24), nullable=True),
        sa.Column("cancel_requested_at", sa.String(24), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_runs_app_id_apps")),
    )
    op.create_index("ix_runs_app_id_id", "runs", ["app_id", "id"])
    op.create_index("ix_runs_job_id_id", "runs", ["job_id", "id"])
    op.create_index("ix_runs_finished_at", "runs", ["finished_at"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("app_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("schedule", sa.String(120), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("timeout_seconds", sa.Float(), nullable=False),
        sa.Column("allow_overlap", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=True),
        sa.Column("last_run_id", sa.String(40), nullable=True),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("last_skipped_at", sa.String(24), nullable=True),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("updated_at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("app_id", "name", name="uq_jobs_app_id_name"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_jobs_app_id_apps")),
    )
    op.create_index("ix_jobs_next_at", "jobs", ["next_at"])


def downgrade() -> None:
    op.drop_table("jobs")
    op.drop_table("runs")
    op.drop_column("apps", "runs")
