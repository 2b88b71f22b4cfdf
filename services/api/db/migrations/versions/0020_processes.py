"""An app may have processes beside the one that takes requests; a release knows what its source's Procfile said."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apps", sa.Column("processes", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("apps", sa.Column("process_cpu", sa.Float(), nullable=True, server_default="0"))
    op.add_column("apps", sa.Column("process_memory", sa.Integer(), nullable=True, server_default="0"))
    op.add_column("releases", sa.Column("procfile", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("replicas", sa.Column("process", sa.String(20), nullable=False, server_default="web"))


def downgrade() -> None:
    op.drop_column("replicas", "process")
    op.drop_column("releases", "procfile")
    op.drop_column("apps", "process_memory")
    op.drop_column("apps", "process_cpu")
    op.drop_column("apps", "processes")
