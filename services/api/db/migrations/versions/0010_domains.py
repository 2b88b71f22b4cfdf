"""Custom domains, and what stands in front of an app."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apps", sa.Column("domains", sa.Text(), nullable=False, server_default="{}"))
    op.create_table(
        "domains",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("app_id", sa.String(40), nullable=False),
        sa.Column("dns", sa.Text(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("checked_at", sa.String(24), nullable=False),
        sa.Column("verified_at", sa.String(24), nullable=True),
        sa.Column("next_check_at", sa.Float(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("name", name=op.f("uq_domains_name")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_domains_app_id_apps")),
    )
    op.create_index("ix_domains_app_id_id", "domains", ["app_id", "id"])
    op.create_index("ix_domains_next_check_at", "domains", ["next_check_at"])


def downgrade() -> None:
    op.drop_table("domains")
    op.drop_column("apps", "domains")
