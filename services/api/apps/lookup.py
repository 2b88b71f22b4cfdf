"""Finding apps: by id or slug, for one principal, to read or to change."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.states import Intent
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.http.principal import Principal
from services.api.http.problems import Problem, not_found
from services.api.projects.access import Standing, membership, standing, visible
from services.api.projects.models import MemberRow, ProjectRow

ID_PREFIX = "app_"


@lru_cache(maxsize=256)
def _one(principal: Principal, *, by_id: bool, lock: bool) -> Select[AppRow, str | None, str | None]:
    """The statement for one app; putting it together costs more than running it."""
    query = of(principal).where((AppRow.id if by_id else AppRow.slug) == bindparam("ref"))
    return held(query, AppRow) if lock else query


@lru_cache(maxsize=256)
def _id_of_one(principal: Principal, *, by_id: bool) -> Select[str]:
    return _one(principal, by_id=by_id, lock=False).with_only_columns(AppRow.id)


async def _find(session: AsyncSession, principal: Principal, ref: str, *, lock: bool) -> tuple[AppRow, Standing]:
    """By id or slug: no slug has an underscore. Apps that are gone have no name any more."""
    query = _one(principal, by_id=ref.startswith(ID_PREFIX), lock=lock)
    row: Any = (await session.execute(query, {"ref": ref})).one_or_none()
    if row is None:
        raise not_found("app", ref)
    app, owner_id, member_role = row
    return app, standing(principal, owner_id, member_role)


def of(principal: Principal) -> Select[AppRow, str | None, str | None]:
    """All the apps that the principal may see, each with what says their standing."""
    return (
        select(AppRow, ProjectRow.owner_id, MemberRow.role)
        .join(ProjectRow, ProjectRow.id == AppRow.project_id)
        .outerjoin(MemberRow, membership(principal))
        .where(AppRow.gone_at.is_(None), visible(principal))
    )


async def to_read(session: AsyncSession, principal: Principal, ref: str) -> tuple[AppRow, Standing]:
    """`404` for what does not exist and for what is somebody else's."""
    return await _find(session, principal, ref, lock=False)


async def id_to_read(core: Core, principal: Principal, ref: str) -> str:
    """As `to_read`, for those who ask others about the app: what was found is kept while the database stands still."""
    key = ("app id", principal, ref)
    kept = core.fresh.look(key)
    if isinstance(kept, str):
        return kept
    mark = core.fresh.now()
    query = _id_of_one(principal, by_id=ref.startswith(ID_PREFIX))
    async with core.db.connect() as connection:
        found = (await connection.execute(query, {"ref": ref})).scalar_one_or_none()
    if found is None:
        raise not_found("app", ref)
    core.fresh.keep(key, found, mark)
    return found


async def hold_all(session: AsyncSession, project_id: str) -> Select[AppRow]:
    """Lock the apps of a project; return the query to ask for them then: who had one until now may have changed what is asked for."""
    query = held(select(AppRow).where(AppRow.project_id == project_id, AppRow.gone_at.is_(None)).order_by(AppRow.id))
    await session.execute(query.with_only_columns(AppRow.id))
    return query


async def to_change(tx: Tx, principal: Principal, ref: str, scope: str) -> AppRow:
    """The app, locked. `403` when the role in its project does not give `scope`, `409 app_deleting` when it is on its way out."""
    app = await to_delete(tx, principal, ref, scope)
    if app.intent == Intent.DELETED:
        raise Problem("app_deleting", f"{app.slug} is being deleted.")
    return app


async def to_delete(tx: Tx, principal: Principal, ref: str, scope: str) -> AppRow:
    """As `to_change`, for what may be done to an app that is being deleted."""
    app, role = await _find(tx.session, principal, ref, lock=True)
    role.need(scope)
    return app
