"""What follows when a session of a person's is over: the audit tells how it ended."""

from sqlalchemy import insert, select

from libs.common.messages.sessions import SessionEnded
from services.api.audit.models import AuditRow
from services.api.reactions.scene import Line, Scene


async def session_ended(scene: Scene, event: SessionEnded) -> Line | None:
    """A row of its own, once however often it is said. Nothing in the feed, which viewers read: a command may hold anything."""
    row_id = f"aud_{event.event_id.partition('_')[2]}"
    if (await scene.tx.connection.execute(select(AuditRow.id).where(AuditRow.id == row_id))).first() is None:
        await scene.tx.connection.execute(insert(AuditRow).values(id=row_id, **_values(event)))
    return None


def _values(event: SessionEnded) -> dict[str, str | None]:
    by = event.by
    how = event.reason if event.code is None else f"{event.reason} {event.code}"
    return {
        "at": event.at,
        "action": f"{event.kind}.ended",
        "outcome": "done",
        "target": event.app_id,
        "project_id": by.project_id,
        "user_id": by.user_id,
        "actor": by.actor,
        "key_id": by.key_id,
        "session_id": by.session_id,
        "address": by.address,
        "request_id": by.request_id,
        "detail": f"{by.words(event.replica)}: {how}",
    }
