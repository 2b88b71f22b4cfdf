"""The port that a release's image exposes."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("releases", sa.Column("exposed_port", sa.Integer(), nullable=True))


def downgrade() -> None:
    # An older version knows no port that is not set. The colons would be parameters to SQLAlchemy.
    null, port = r"""'"internal_port"\:null'""", r"""'"internal_port"\:'"""
    op.execute(f"UPDATE releases SET settings = replace(settings, {null}, {port} || CAST(coalesce(exposed_port, 80) AS TEXT))")
    op.execute(f"UPDATE apps SET settings = replace(settings, {null}, {port} || '80')")
    op.drop_column("releases", "exposed_port")
