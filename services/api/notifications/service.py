"""What happens to notifications. Functions that take a `Tx` are the inside of one transaction."""

import time
from collections.abc import Iterable
from typing import cast

import msgspec
from sqlalchemy import func, select, update

from libs.common import clock, ids, subjects
from libs.common.secrets import UnreadableError, Vault
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.database import Database
from services.api.db.tables import CursorRow
from services.api.db.tx import Tx
from services.api.http.principal import Principal
from services.api.http.problems import FieldError, Problem, invalid, not_found
from services.api.notifications import signing
from services.api.notifications.models import NotificationDeliveryRow, NotificationRow
from services.api.notifications.schemas import UNSET, Kind, NewNotification, Notification, NotificationPage, NotificationUpdate
from services.api.projects import service as projects

MOST = 20
"""Hooks of one project."""
_READ_ONLY = ("id", "project_id", "kind", "secret", "problem", "created_at")


UNREADABLE = "Its address was encrypted with a key that DOCKUP_SECRET_KEY lacks; set url again."
_SWITCHED_OFF = "It was switched off."


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What of a hook is secret: Slack's addresses are passwords. `secret` is None where nothing is signed."""

    url: str
    secret: str | None


async def create(tx: Tx, principal: Principal, project_id: str, body: NewNotification) -> Notification:
    await projects.to_change(tx, principal, project_id, "write")
    used = select(func.count()).select_from(NotificationRow).where(NotificationRow.project_id == project_id)
    if (count := (await tx.connection.execute(used)).scalar_one()) >= MOST:
        raise Problem("quota_exceeded", f"The project has {count} notifications.", used=count, allowed=MOST)
    target = _new_target(body.kind, body.url)
    apps = await _app_ids(tx, project_id, body.apps)
    row = NotificationRow(
        id=ids.new("ntf"),
        project_id=project_id,
        name=body.name,
        kind=body.kind,
        events=_json(body.events),
        apps=None if apps is None else _json(apps),
        sealed=tx.vault.seal(target),
        active=body.active,
        problem=None,
        from_seq=await _head(tx),
        created_at=clock.now(),
    )
    tx.session.add(row)
    tx.audit("notification.created", row.id, project_id=project_id)
    return to_view(row, target)


async def page(core: Core, principal: Principal, project_id: str, limit: int, cursor: str | None) -> NotificationPage:
    query = select(NotificationRow).where(NotificationRow.project_id == project_id).order_by(NotificationRow.id).limit(limit + 1)
    async with core.db.read() as session:
        (await projects.to_read(session, principal, project_id)).having.need("write")
        rows = list((await session.execute(query.where(NotificationRow.id > cursor) if cursor else query)).scalars())
    items = [to_view(row, target_of(core.vault, row)) for row in rows[:limit]]
    return NotificationPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def check_standing(db: Database, principal: Principal, project_id: str) -> None:
    """Refuse before a host is looked up: nobody learns of names inside who may not."""
    async with db.read() as session:
        (await projects.to_read(session, principal, project_id)).having.need("write")


async def get(db: Database, principal: Principal, project_id: str, notification_id: str) -> NotificationRow:
    """`404`, or `403` for who may not change the project: the address may be a secret."""
    async with db.read() as session:
        (await projects.to_read(session, principal, project_id)).having.need("write")
        row = await session.get(NotificationRow, notification_id)
    if row is None or row.project_id != project_id:
        raise not_found("notification", notification_id)
    return row


async def to_change(tx: Tx, principal: Principal, project_id: str, notification_id: str) -> NotificationRow:
    await projects.to_change(tx, principal, project_id, "write")
    row = await tx.session.get(NotificationRow, notification_id)
    if row is None or row.project_id != project_id:
        raise not_found("notification", notification_id)
    return row


async def change(tx: Tx, row: NotificationRow, body: NotificationUpdate) -> Notification:
    """Merge. Switched off it is told nothing more, not even what waits; switched on again it goes on with what happens from then on."""
    target = target_of(tx.vault, row)
    _check_read_only(to_view(row, target), body)
    if not isinstance(body.apps, msgspec.UnsetType):
        apps = await _app_ids(tx, row.project_id, body.apps)
        row.apps = None if apps is None else _json(apps)
    if not isinstance(body.name, msgspec.UnsetType):
        row.name = body.name
    if not isinstance(body.events, msgspec.UnsetType):
        row.events = _json(body.events)
    if not isinstance(body.url, msgspec.UnsetType) and (target is None or body.url != target.url):
        target = msgspec.structs.replace(target, url=body.url) if target else _new_target(row.kind, body.url)
        row.sealed = tx.vault.seal(target)
    if not isinstance(body.active, msgspec.UnsetType) and body.active != row.active:
        row.active, row.problem = body.active, None
        if body.active:
            row.from_seq = await _head(tx)
        else:
            await _drop_waiting(tx, row.id, _SWITCHED_OFF)
    tx.audit("notification.updated", row.id, project_id=row.project_id)
    return to_view(row, target)


async def remove(tx: Tx, row: NotificationRow) -> None:
    """What was still to be told goes with it."""
    await tx.session.delete(row)
    tx.audit("notification.deleted", row.id, project_id=row.project_id)


async def switch_off(tx: Tx, notification_id: str, problem: str) -> None:
    """The receiver is gone: nothing more is told."""
    await tx.connection.execute(update(NotificationRow).where(NotificationRow.id == notification_id).values(active=False, problem=problem))
    await _drop_waiting(tx, notification_id, problem)


async def _drop_waiting(tx: Tx, notification_id: str, why: str) -> None:
    waiting = (NotificationDeliveryRow.notification_id == notification_id, NotificationDeliveryRow.status == "pending")
    # With another time, so that whoever had them in hand neither sends them nor notes what came of that.
    ended = {"status": "failed", "detail": why, "ended_at": clock.now(), "next_at": time.time()}
    await tx.connection.execute(update(NotificationDeliveryRow).where(*waiting).values(**ended))


def target_of(vault: Vault, row: NotificationRow) -> Target | None:
    """None for one that no key opens: a database that was put back without its key must not hide the other hooks."""
    try:
        return vault.open(row.sealed, Target)
    except UnreadableError:
        return None


def _new_target(kind: str, url: str) -> Target:
    return Target(url=url, secret=signing.new_secret() if kind == "webhook" else None)


def to_view(row: NotificationRow, target: Target | None) -> Notification:
    return Notification(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        kind=cast("Kind", row.kind),
        url=target.url if target else "",
        events=msgspec.json.decode(row.events, type=list[str]),
        apps=None if row.apps is None else msgspec.json.decode(row.apps, type=list[str]),
        secret=target.secret if target else None,
        active=row.active,
        problem=row.problem or (None if target else UNREADABLE),
        created_at=row.created_at,
    )


def _check_read_only(view: Notification, body: NotificationUpdate) -> None:
    wrong = [name for name in _READ_ONLY if getattr(body, name) not in (UNSET, getattr(view, name))]
    if wrong:
        raise Problem("read_only_field", errors=[FieldError(pointer=f"/{name}", detail="is read-only") for name in wrong])


async def _app_ids(tx: Tx, project_id: str, refs: list[str] | None) -> list[str] | None:
    """Ids for ids and slugs; `400` for what is no app of the project."""
    if refs is None:
        return None
    query = select(AppRow.id, AppRow.slug).where(AppRow.project_id == project_id, AppRow.gone_at.is_(None))
    rows = (await tx.connection.execute(query)).all()
    known = {row.slug: row.id for row in rows} | {row.id: row.id for row in rows}
    for number, ref in enumerate(refs):
        if ref not in known:
            raise invalid(f"/apps/{number}", "is no app of this project")
    return list(dict.fromkeys(known[ref] for ref in refs))


async def _head(tx: Tx) -> int:
    return int((await tx.connection.execute(select(CursorRow.seq).where(CursorRow.name == subjects.EVENTS))).scalar_one())


def _json(values: Iterable[str]) -> str:
    return msgspec.json.encode(list(dict.fromkeys(values))).decode()
