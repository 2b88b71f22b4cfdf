"""Where an app's image is built from, what a release was built from, and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_APP = (
    ("git_provider", sa.String(16)),
    ("git_repo_url", sa.String(512)),
    ("git_branch", sa.String(255)),
    ("root_directory", sa.String(512)),
    ("dockerfile_path", sa.String(512)),
    ("registry_id", sa.String(40)),
    ("preview_of", sa.String(40)),
    ("preview_number", sa.Integer()),
    ("current_source", sa.Text()),
)
_DEPLOYMENT = (("commit", sa.String(64)), ("commit_message", sa.Text()), ("ref", sa.String(255)), ("dockerfile", sa.Text()))


def upgrade() -> None:
    for name, kind in _APP:
        op.add_column("apps", sa.Column(name, kind, nullable=True))
    op.add_column("apps", sa.Column("watch_paths", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("apps", sa.Column("build", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("apps", sa.Column("auto_deploy", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.create_index("ix_apps_git_repo_url", "apps", ["git_repo_url"])
    op.create_index("ix_apps_preview_of", "apps", ["preview_of"])
    for name, kind in _DEPLOYMENT:
        op.add_column("deployments", sa.Column(name, kind, nullable=True))
    op.add_column("releases", sa.Column("source", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("releases", "source")
    for name, _ in _DEPLOYMENT:
        op.drop_column("deployments", name)
    op.drop_index("ix_apps_preview_of", "apps")
    op.drop_index("ix_apps_git_repo_url", "apps")
    for name in ("auto_deploy", "build", "watch_paths", *(name for name, _ in _APP)):
        op.drop_column("apps", name)
