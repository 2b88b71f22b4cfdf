"""Brings an app's derived status up to date, and says so where it changed."""

import msgspec
from sqlalchemy import bindparam, select

from libs.common.messages.api import Release
from libs.common.states import DeploymentStatus, Intent
from services.api.apps.models import AppRow, ReplicaRow
from services.api.apps.status import Facts, Replica, Seen, Status, derive_status
from services.api.db.tx import Tx

_release = msgspec.json.Decoder(Release)
_seen = msgspec.json.Decoder(Seen)
_REPLICAS = select(ReplicaRow.name, ReplicaRow.release, ReplicaRow.state, ReplicaRow.at, ReplicaRow.message, ReplicaRow.process).where(
    ReplicaRow.app_id == bindparam("app_id")
)


async def refresh(tx: Tx, app: AppRow) -> None:
    """Derive `status` anew. Call it after everything else about the app has changed."""
    rows = (await tx.connection.execute(_REPLICAS, {"app_id": app.id})).all()
    apply(
        tx,
        app,
        tuple(
            Replica(name=name, release=release, state=state, at=at, message=message, process=process)
            for name, release, state, at, message, process in rows
        ),
    )


def apply(tx: Tx, app: AppRow, replicas: tuple[Replica, ...]) -> None:
    status = derive_status(facts(app, replicas))
    before = app.status, app.status_reason
    app.status, app.status_reason, app.status_detail = status.status, status.reason, status.detail
    app.current_replicas = status.running
    if before != (status.status, status.reason):
        _say(tx, app, before[0], status)


def facts(app: AppRow, replicas: tuple[Replica, ...]) -> Facts:
    return Facts(
        intent=Intent(app.intent),
        current_release=_release.decode(app.current).number if app.current else None,
        newest_deployment=DeploymentStatus(app.newest_status) if app.newest_status else None,
        deploying=app.candidate is not None,
        wanted=app.replicas,
        op=app.op,
        refused=app.limits_refused,
        replicas=replicas,
        seen=_seen.decode(app.seen) if app.seen else None,
    )


def _say(tx: Tx, app: AppRow, before: str, now: Status) -> None:
    why = f" ({now.reason})" if now.reason else ""
    tx.record(
        "app.status_changed",
        f"The app is {now.status}{why}.",
        app_id=app.id,
        project_id=app.project_id,
        data={"from": before, "to": now.status, "reason": now.reason},
    )
