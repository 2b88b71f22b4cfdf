"""Waiting until the runtime has made so what was asked of an app."""

from sqlalchemy import select

from services.api.apps.models import AppRow
from services.api.core import Core


async def until_settled(core: Core, app_id: str, revision: int, seconds: float) -> bool:
    """Whether what runs was what is wanted, at `revision` or later, within `seconds`."""

    async def settled() -> bool | None:
        query = select(AppRow.settled, AppRow.gone_at).where(AppRow.id == app_id)
        async with core.db.connect() as connection:
            row = (await connection.execute(query)).one()
        return True if row.settled >= revision or row.gone_at is not None else None

    return bool(await core.wakes.until(app_id, seconds, settled))


async def until_gone(core: Core, app_id: str, seconds: float) -> str | None:
    """When the app was gone, if it was within `seconds`."""

    async def gone() -> str | None:
        async with core.db.connect() as connection:
            return (await connection.execute(select(AppRow.gone_at).where(AppRow.id == app_id))).scalar_one()

    return await core.wakes.until(app_id, seconds, gone)
