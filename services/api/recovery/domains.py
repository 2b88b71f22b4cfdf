"""Custom domains of a database that was put back: what runs is routed already, so whose each name is was proven since."""

from sqlalchemy import select

from libs.common.messages.api import Desired
from services.api.apps import domains
from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.domains import service
from services.api.domains.models import DomainRow

_LOST = "went to another app after the backup"
_REMOVED = "was removed after the backup"


async def take_over(tx: Tx, app: AppRow, wish: Desired) -> None:
    """The app has the names that its wish routes, whoever had them before, and none that it routes no more. Claims stay claims.

    A wish that was read from containers says nothing of hosts, and changes nothing.
    """
    if not wish.hosts:
        return
    routed = wish.hosts[1:]  # the first is the app's own
    known = (await tx.session.execute(select(DomainRow).where(DomainRow.app_id == app.id))).scalars().all()
    for row in known:
        if row.verified_at is not None and row.name not in routed:
            await service.remove(tx, app, row, _REMOVED)
            tx.session.expunge(row)
    for name in routed:
        await _take(tx, app, name)
    await tx.flush()


async def _take(tx: Tx, app: AppRow, name: str) -> None:
    row = (await tx.session.execute(select(DomainRow).where(DomainRow.name == name))).scalar_one_or_none()
    if row is not None and row.app_id != app.id:
        owner = await tx.session.get_one(AppRow, row.app_id)
        await service.remove(tx, owner, row, _LOST)
        tx.session.expunge(row)
        row = None
    if row is None:
        row = service.new_row(app, name, service.UNASKED)
        tx.session.add(row)
        await tx.flush()
    row.verified_at = row.verified_at or row.created_at
    domains.note(app, name, verified=True)
