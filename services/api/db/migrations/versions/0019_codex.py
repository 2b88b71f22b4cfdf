"""Users store a key for the model's API of coding sessions; a preview may be one of a branch."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "codex_keys",
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("ends_with", sa.String(4), nullable=False),
        sa.Column("updated_at", sa.String(24), nullable=False),
    )
    op.add_column("previews", sa.Column("branch", sa.String(255), nullable=True))


def downgrade() -> None:
    op.drop_column("previews", "branch")
    op.drop_table("codex_keys")
