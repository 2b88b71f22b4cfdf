"""Quotas of a project."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("quota_apps", sa.Integer(), nullable=True))
    op.add_column("projects", sa.Column("quota_cpu", sa.Float(), nullable=True))
    op.add_column("projects", sa.Column("quota_memory", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("projects", "quota_memory")
    op.drop_column("projects", "quota_cpu")
    op.drop_column("projects", "quota_apps")
