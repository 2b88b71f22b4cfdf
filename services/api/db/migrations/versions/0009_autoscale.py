"""Load decides on the number of replicas."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apps", sa.Column("autoscale", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("apps", sa.Column("most_replicas", sa.Integer(), nullable=True))
    op.add_column("apps", sa.Column("scaled", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("apps", "scaled")
    op.drop_column("apps", "most_replicas")
    op.drop_column("apps", "autoscale")
