"""What happens to domains. Functions that take a `Tx` are the inside of one transaction; the app's row is locked in all of them."""

import asyncio
import time
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock, ids
from services.api.apps import domains
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.domains import pace
from services.api.domains.dns import Found, Resolver, is_proven, judge, proof, proof_name
from services.api.domains.models import CertificateRow, DomainRow
from services.api.domains.schemas import Dns, Domain, DomainPage
from services.api.domains.view import to_view
from services.api.http.problems import Problem, not_found
from services.api.settings import Settings

_MOST = 100
"""How many domains an app may have."""
_WITH_CERTIFICATE = select(DomainRow, CertificateRow).outerjoin(CertificateRow, CertificateRow.host == DomainRow.name)
_dns = msgspec.json.Decoder(Dns)
UNASKED = Dns(ok=True, found=[], expected=[], error="DNS was not asked yet.")
"""Of a name that is routed already."""


class Look(NamedTuple):
    """What DNS said, taken before the transaction: nothing of it may wait for a name server.

    `silent`: of this name, or of our own, nothing could be learned.
    """

    found: Found
    dns: Dns
    silent: bool


async def look(resolver: Resolver, name: str) -> Look:
    found, ours = await asyncio.gather(resolver.look(name), resolver.ours())
    return Look(found, judge(found, ours.addresses), found.silent or ours.silent)


async def hold(tx: Tx, app_id: str, name: str) -> None:
    """Hold the app and the one that has the name, which may lose it: before `add`, and both at once."""
    holder = select(DomainRow.app_id).where(DomainRow.name == name)
    await tx.connection.execute(held(select(AppRow.id).where((AppRow.id == app_id) | AppRow.id.in_(holder)).order_by(AppRow.id)))


async def add(tx: Tx, app: AppRow, name: str, seen: Look) -> DomainRow:
    """Claim the name. `409 domain_taken` when somebody has it, unless DNS proves that it is this project's."""
    holder = (await tx.session.execute(held(select(DomainRow).where(DomainRow.name == name)))).scalar_one_or_none()
    if holder is not None:
        await _displace(tx, holder, app, seen)
    count = (await tx.connection.execute(select(func.count()).where(DomainRow.app_id == app.id))).scalar_one()
    if count >= _MOST:
        raise Problem("quota_exceeded", f"The app has {count} domains.", used=count, allowed=_MOST)
    row = new_row(app, name, seen.dns)
    tx.session.add(row)
    domains.note(app, name, verified=False)
    tx.record("domain.added", f"The domain {name} was added.", app_id=app.id, project_id=app.project_id, data={"name": name})
    take(tx, app, row, seen)
    try:
        await tx.flush()
    except IntegrityError as error:  # another request was first
        raise Problem("domain_taken", f"The domain {name} is in use.") from error
    return row


def take(tx: Tx, app: AppRow, row: DomainRow, seen: Look) -> None:
    """Note what DNS said. A name that leads here, or that is proven, is routed from then on, and stays so."""
    before = _dns.decode(row.dns)
    # A verified domain whose name servers are silent leads where it led: that they are is said, and nobody is alarmed.
    now = msgspec.structs.replace(before, error=seen.dns.error) if seen.silent and row.verified_at is not None else seen.dns
    row.dns, row.checked_at = _encode(now), clock.now()
    verified = seen.dns.ok or is_proven(seen.found.texts, row.name, app.project_id)
    data: dict[str, object] = {"name": row.name, "found": now.found, "expected": now.expected}
    if verified and row.verified_at is None:
        row.verified_at = row.checked_at
        domains.note(app, row.name, verified=True)
        desire(tx, app)
        message = f"The domain {row.name} is verified and routed."
        tx.record("domain.verified", message, app_id=app.id, project_id=app.project_id, data=data)
    elif row.verified_at is not None and before.ok != now.ok:
        how = "leads here again" if now.ok else "does not lead here any more"
        level = "info" if now.ok else "warning"
        tx.record("domain.dns_changed", f"{row.name} {how}.", app_id=app.id, project_id=app.project_id, level=level, data=data)
    row.checks += 1
    row.next_check_at = time.time() + pace.until_next(row.checks, verified=row.verified_at is not None)


async def remove(tx: Tx, app: AppRow, row: DomainRow, why: str = "was removed") -> None:
    """Take it away; its route goes with it."""
    await tx.connection.execute(delete(DomainRow).where(DomainRow.id == row.id))
    was_routed = domains.forget(app, row.name)
    tx.record("domain.removed", f"The domain {row.name} {why}.", app_id=app.id, project_id=app.project_id, data={"name": row.name})
    if was_routed:
        desire(tx, app)


async def locked(tx: Tx, app: AppRow, name: str) -> DomainRow:
    query = held(select(DomainRow).where(DomainRow.app_id == app.id, DomainRow.name == name))
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise not_found("domain", name)
    return row


async def get(session: AsyncSession, app: AppRow, settings: Settings, name: str) -> Domain:
    found: Any = (await session.execute(_WITH_CERTIFICATE.where(DomainRow.app_id == app.id, DomainRow.name == name))).one_or_none()
    if found is None:
        raise not_found("domain", name)
    row, known = found
    return to_view(row, known, app, settings)


async def page(session: AsyncSession, app: AppRow, settings: Settings, limit: int, cursor: str | None) -> DomainPage:
    """Oldest first."""
    query = _WITH_CERTIFICATE.where(DomainRow.app_id == app.id).order_by(DomainRow.id).limit(limit + 1)
    found: Any = (await session.execute(query.where(DomainRow.id > cursor) if cursor else query)).all()
    items = [to_view(row, known, app, settings) for row, known in found[:limit]]
    return DomainPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


async def _displace(tx: Tx, holder: DomainRow, app: AppRow, seen: Look) -> None:
    """The zone has the last word: who can write into it may take the name from whoever claims it."""
    if holder.app_id == app.id:
        raise Problem("domain_taken", f"The app has the domain {holder.name} already.")
    owner = (await tx.session.execute(held(select(AppRow).where(AppRow.id == holder.app_id)))).scalar_one()
    if owner.project_id == app.project_id:
        raise Problem("domain_taken", f"Another app of this project has the domain {holder.name}.", hint="Delete it there first.")
    if not is_proven(seen.found.texts, holder.name, app.project_id):
        record = {"type": "TXT", "name": proof_name(holder.name), "value": proof(holder.name, app.project_id)}
        raise Problem("domain_taken", f"The domain {holder.name} is in use.", verification=record)
    await remove(tx, owner, holder, "was taken by who proved that it is theirs")
    await tx.flush()
    tx.session.expunge(holder)


def new_row(app: AppRow, name: str, dns: Dns) -> DomainRow:
    """A claim, about which DNS is asked next."""
    now = clock.now()
    return DomainRow(
        id=ids.new("dom"),
        name=name,
        app_id=app.id,
        dns=_encode(dns),
        created_at=now,
        checked_at=now,
        verified_at=None,
        next_check_at=0.0,
        checks=0,
    )


def _encode(dns: Dns) -> str:
    return msgspec.json.encode(dns).decode()
