"""The audit tells of commands that were run in an app."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("detail", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("audit", "detail")
