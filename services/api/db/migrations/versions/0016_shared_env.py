"""Variables that a project's apps share."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("shared_env", sa.Text(), nullable=True))
    op.add_column("projects", sa.Column("shared_versions", sa.Text(), server_default="{}", nullable=False))
    op.add_column("releases", sa.Column("shared", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("releases", "shared")
    op.drop_column("projects", "shared_versions")
    op.drop_column("projects", "shared_env")
