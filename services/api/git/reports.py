"""What GitHub is told of deployments: a row each, written with the deployment, sent by `reporting` until its end is told."""

import time

from sqlalchemy import insert

from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.git.connecting import connection_of
from services.api.git.models import ReportRow

_NEW = insert(ReportRow)


async def expect(tx: Tx, app: AppRow, deployment_id: str) -> None:
    """Have the deployment told of, where somebody's account is connected with the app."""
    connection_id = connection_of(app)
    if connection_id is None:
        return
    values = {
        "deployment_id": deployment_id,
        "app_id": app.id,
        "connection_id": connection_id,
        "repo": app.git_repo_url,
        "next_at": time.time(),
    }
    await tx.connection.execute(_NEW, values)
