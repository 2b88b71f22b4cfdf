"""Writes the audit, in the transaction of what it tells of."""

from collections.abc import Sequence

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import clock, ids
from services.api.audit.caller import CALLER, Act
from services.api.audit.models import AuditRow

_WRITE = insert(AuditRow)


async def write(connection: AsyncConnection, acts: Sequence[Act]) -> None:
    """One row for each act of the present caller; nothing for work in the background."""
    who = CALLER.get()
    if who is None or not acts:
        return
    caller = who()
    now = clock.now()
    rows = [
        {
            "id": ids.new("aud"),
            "at": now,
            "action": act.action,
            "outcome": act.outcome,
            "target": act.target,
            "project_id": act.project_id,
            "user_id": caller.user_id,
            "actor": caller.actor,
            "key_id": caller.key_id,
            "session_id": caller.session_id,
            "address": caller.address,
            "request_id": caller.request_id,
            "detail": act.detail,
        }
        for act in acts
    ]
    await connection.execute(_WRITE, rows)
