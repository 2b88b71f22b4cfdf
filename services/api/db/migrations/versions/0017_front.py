"""What stands in front of an app: redirects, maintenance, passwords."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apps", sa.Column("front", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("apps", sa.Column("basic_auth", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("apps", "basic_auth")
    op.drop_column("apps", "front")
