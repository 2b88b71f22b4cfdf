"""What happens to registries: each is one user's own. Functions that take a `Tx` are the inside of one transaction."""

import msgspec
from sqlalchemy import ColumnElement, delete, false, insert, select, update

from libs.common import clock, ids
from libs.common.bus import Bus, NoAnswer
from libs.common.image_names import owner, registry_of
from libs.common.messages.builder import CheckRegistry, RegistryChecked, RegistryLogin
from libs.common.secrets import MASK, Vault
from services.api.apps.models import AppRow
from services.api.db.database import Database
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.http.principal import Principal
from services.api.http.problems import FieldError, Problem, invalid, not_found
from services.api.projects.models import ProjectRow
from services.api.registries.grammar import to_server
from services.api.registries.models import RegistryRow
from services.api.registries.schemas import UNSET, NewRegistry, Registry, RegistryCheck, RegistryPage, RegistryUpdate

_PATIENCE_SECONDS = 25.0
_MOST = 100
"""How many registries a user may have: all their logins may go into one command."""


async def create(tx: Tx, vault: Vault, principal: Principal, body: NewRegistry) -> Registry:
    known = (await tx.connection.execute(select(RegistryRow.id).where(RegistryRow.owner_id == principal.user_id))).all()
    if len(known) >= _MOST:
        raise Problem("quota_exceeded", f"There are {len(known)} registries.", used=len(known), allowed=_MOST)
    _check_mask(body.password)
    login = RegistryLogin(server=to_server(body.server), username=body.username, password=body.password)
    made = Registry(id=ids.new("reg"), name=body.name, server=login.server, username=login.username, created_at=clock.now())
    values = {**msgspec.structs.asdict(made), "owner_id": principal.user_id, "sealed": vault.seal(login)}
    await tx.connection.execute(insert(RegistryRow).values(values))
    tx.audit("registry.created", made.id)
    return made


async def page(db: Database, principal: Principal, limit: int, cursor: str | None) -> RegistryPage:
    """The caller's own, oldest first."""
    query = select(RegistryRow).where(_own(principal)).order_by(RegistryRow.id).limit(limit + 1)
    async with db.read() as session:
        rows = list((await session.execute(query.where(RegistryRow.id > cursor) if cursor else query)).scalars())
    items = [to_view(row) for row in rows[:limit]]
    return RegistryPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def get(db: Database, principal: Principal, registry_id: str) -> RegistryRow:
    async with db.read() as session:
        row = (await session.execute(select(RegistryRow).where(RegistryRow.id == registry_id, _own(principal)))).scalar_one_or_none()
    if row is None:
        raise not_found("registry", registry_id)
    return row


async def change(tx: Tx, vault: Vault, principal: Principal, registry_id: str, body: RegistryUpdate) -> Registry:
    row = await _locked(tx, principal, registry_id)
    seen = to_view(row)
    wrong = [name for name in ("id", "created_at") if getattr(body, name) not in (UNSET, getattr(seen, name))]
    if wrong:
        raise Problem("read_only_field", errors=[FieldError(pointer=f"/{name}", detail="is read-only") for name in wrong])
    login = vault.open(row.sealed, RegistryLogin)
    server = login.server if isinstance(body.server, msgspec.UnsetType) else to_server(body.server)
    if server != login.server and isinstance(body.password, msgspec.UnsetType):
        raise invalid("/password", "is needed with another server: the one that is kept was given for the server before")
    _check_mask(body.password)
    given = {name: value for name in ("username", "password") if (value := getattr(body, name)) is not UNSET}
    after = msgspec.structs.replace(login, server=server, **given)
    row.name = row.name if isinstance(body.name, msgspec.UnsetType) else body.name
    row.server, row.username = after.server, after.username
    row.sealed = row.sealed if after == login else vault.seal(after)
    tx.audit("registry.updated", row.id)
    return to_view(row)


async def remove(tx: Tx, principal: Principal, registry_id: str) -> None:
    """Apps that used it pull without it from now on."""
    row = await _locked(tx, principal, registry_id)
    await tx.connection.execute(held(select(AppRow.id).where(AppRow.registry_id == row.id).order_by(AppRow.id)))
    await tx.connection.execute(update(AppRow).where(AppRow.registry_id == row.id).values(registry_id=None))
    await tx.connection.execute(delete(RegistryRow).where(RegistryRow.id == row.id))
    tx.audit("registry.deleted", row.id)


async def check(bus: Bus, row: RegistryRow) -> RegistryCheck:
    """Have the builder try the login: it alone talks to registries. `503 builder_unavailable` when none answers."""
    try:
        answer = await bus.query("builder", "registry_check", CheckRegistry(login=row.sealed), RegistryChecked, timeout=_PATIENCE_SECONDS)
    except NoAnswer as error:
        raise Problem("builder_unavailable", headers={"Retry-After": "2"}) from error
    return RegistryCheck(ok=answer.code is None, code=answer.code, detail=answer.detail, checked_at=clock.now())


async def check_usable(tx: Tx, principal: Principal, asked: str | msgspec.UnsetType | None, before: str | None = None) -> None:
    """`400` unless the caller may have an app use it: it is their own, or the app's already."""
    if not isinstance(asked, str) or asked == before:
        return
    query = select(RegistryRow.id).where(RegistryRow.id == asked, _own(principal))
    if (await tx.connection.execute(query)).first() is None:
        raise invalid("/registry_id", "is no registry of yours")


async def login_for(tx: Tx, app: AppRow, image: str) -> str:
    """The sealed login that the image is pulled with: the app's registry, else one of the project's owner; empty for none.

    A login is told to its own server and to nobody else, whatever registry the app names.
    """
    if owner(image) is not None:
        return ""
    query = select(RegistryRow.sealed).where(RegistryRow.server == registry_of(image)[0], _usable_by(app)).order_by(RegistryRow.id).limit(1)
    return (await tx.connection.execute(query)).scalar_one_or_none() or ""


async def logins_for(tx: Tx, app: AppRow) -> str:
    """Every login that a build of the app may need for its base images, as one sealed list; empty for none."""
    query = select(RegistryRow.sealed).where(_usable_by(app)).order_by(RegistryRow.id)
    logins = [tx.vault.open(sealed, RegistryLogin) for sealed in (await tx.connection.execute(query)).scalars()]
    return tx.vault.seal(logins) if logins else ""


def to_view(row: RegistryRow) -> Registry:
    return Registry(id=row.id, name=row.name, server=row.server, username=row.username, created_at=row.created_at)


def _usable_by(app: AppRow) -> ColumnElement[bool]:
    if app.registry_id is not None:
        return RegistryRow.id == app.registry_id
    return RegistryRow.owner_id == select(ProjectRow.owner_id).where(ProjectRow.id == app.project_id).scalar_subquery()


def _own(principal: Principal) -> ColumnElement[bool]:
    """A key that is bound to one project has no part in them."""
    return RegistryRow.owner_id == principal.user_id if principal.project_id is None else false()


def _check_mask(password: object) -> None:
    if password == MASK:
        raise Problem("masked_value", errors=[FieldError(pointer="/password", detail="is masked")])


async def _locked(tx: Tx, principal: Principal, registry_id: str) -> RegistryRow:
    query = held(select(RegistryRow).where(RegistryRow.id == registry_id, _own(principal)))
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise not_found("registry", registry_id)
    return row
