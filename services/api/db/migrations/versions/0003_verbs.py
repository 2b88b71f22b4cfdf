"""Cancelled images, limits that the engine refused, and what a rollback restores."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apps", sa.Column("dropped", sa.Integer(), server_default="0", nullable=False))
    op.add_column("apps", sa.Column("limits_refused", sa.Text(), nullable=True))
    op.add_column("releases", sa.Column("restores", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("releases", "restores")
    op.drop_column("apps", "limits_refused")
    op.drop_column("apps", "dropped")
