"""What the routers say of certificates, by host."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certificates",
        sa.Column("host", sa.String(253), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("said_at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_certificates")),
    )
    with op.batch_alter_table("domains") as table:
        table.drop_column("certificate")


def downgrade() -> None:
    op.add_column("domains", sa.Column("certificate", sa.Text(), nullable=True))
    op.drop_table("certificates")
