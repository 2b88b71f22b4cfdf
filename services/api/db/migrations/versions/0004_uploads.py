"""Uploads: what one replaces, and which releases keep their image."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deployments", sa.Column("replaces", sa.String(length=512), nullable=True))
    op.add_column("releases", sa.Column("image_kept", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    op.drop_column("releases", "image_kept")
    op.drop_column("deployments", "replaces")
