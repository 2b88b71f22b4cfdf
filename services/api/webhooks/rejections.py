"""Deliveries that are not signed as they should be: told to the app's people, and never so many that they fill the disk."""

import time
from collections import deque

from sqlalchemy import delete, insert, select

from libs.common import clock, ids
from services.api.db.database import Database
from services.api.webhooks.models import DeliveryRow

_MOST_KEPT = 50
"""Rejected deliveries of an app that are kept: the newest."""
_MOST_A_MINUTE = 20
"""Of one app that are written down; the others are answered alike."""
_MINUTE = 60.0
_MOST_APPS = 1000


class Rejections:
    """`note` writes one down. Whoever floods an app costs a look at the clock."""

    def __init__(self) -> None:
        self._lately: dict[str, deque[float]] = {}

    def _may(self, app_id: str) -> bool:
        now = time.monotonic()
        if len(self._lately) > _MOST_APPS:
            self._lately.clear()
        times = self._lately.setdefault(app_id, deque())
        while times and times[0] < now - _MINUTE:
            times.popleft()
        if len(times) >= _MOST_A_MINUTE:
            return False
        times.append(now)
        return True

    async def note(self, db: Database, app_id: str, *, provider: str, delivery: str, event: str, why: str) -> None:
        if not self._may(app_id):
            return
        rejected = (DeliveryRow.app_id == app_id, DeliveryRow.rejected.is_(True))
        async with db.begin() as tx:
            await tx.connection.execute(
                insert(DeliveryRow).values(
                    id=ids.new("dlv"),
                    app_id=app_id,
                    provider=provider,
                    delivery=delivery,
                    event=event,
                    verdict=f"rejected: {why}",
                    rejected=True,
                    received_at=clock.now(),
                )
            )
            old = select(DeliveryRow.id).where(*rejected).order_by(DeliveryRow.id.desc()).offset(_MOST_KEPT)
            ids_of_old = (await tx.connection.execute(old)).scalars().all()
            if ids_of_old:
                await tx.connection.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(ids_of_old)))
