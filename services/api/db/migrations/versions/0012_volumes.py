"""Volumes: their data outlives containers, and the app if it is not purged with it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "volumes",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("project_id", sa.String(40), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("app_id", sa.String(40), sa.ForeignKey("apps.id"), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("mount_path", sa.String(255), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("copy", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("measured_at", sa.String(24), nullable=True),
        sa.Column("purging", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("backup", sa.Text(), nullable=True),
        sa.Column("backup_at", sa.Float(), nullable=True),
        sa.Column("backup_last", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.UniqueConstraint("app_id", "name", name="uq_volumes_app_id_name"),
    )
    op.create_index("ix_volumes_project_id", "volumes", ["project_id"])
    op.create_index("ix_volumes_backup_at", "volumes", ["backup_at"])
    op.add_column("apps", sa.Column("volumes", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("apps", "volumes")
    op.drop_table("volumes")
