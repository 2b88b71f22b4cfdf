"""What happens to API keys."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select

from libs.common import clock, ids
from libs.common.secrets import Vault, fingerprint
from services.api.accounts.authenticator import scopes_of
from services.api.accounts.models import ApiKeyRow
from services.api.accounts.tokens import new_key
from services.api.api_keys.schemas import ApiKey, ApiKeyPage, NewApiKey, ReadableKey
from services.api.db.database import Database
from services.api.db.tx import Tx
from services.api.http.principal import SCOPES, Principal, including
from services.api.http.problems import Problem, invalid, not_found
from services.api.projects.access import membership, visible
from services.api.projects.models import MemberRow, ProjectRow

_COLUMNS = (
    ApiKeyRow.id,
    ApiKeyRow.name,
    ApiKeyRow.scopes,
    ApiKeyRow.project_id,
    ApiKeyRow.expires_at,
    ApiKeyRow.created_at,
)


async def create_key(tx: Tx, vault: Vault, principal: Principal, body: NewApiKey) -> ReadableKey:
    """Never more than its owner may do, and from a key only lesser ones: `403 forbidden`."""
    scopes = frozenset[str](body.scopes)
    _check_scopes(principal, including(scopes))
    project_id = await _project(tx, principal, body.project_id)
    return await insert_key(tx, vault, principal.user_id, body.name, scopes, project_id=project_id, expires_at=_end(body.expires_at))


async def insert_key(
    tx: Tx,
    vault: Vault,
    user_id: str,
    name: str,
    scopes: frozenset[str],
    *,
    project_id: str | None = None,
    expires_at: str | None = None,
) -> ReadableKey:
    key = new_key()
    made = ReadableKey(
        id=ids.new("key"),
        name=name,
        scopes=[scope for scope in SCOPES if scope in scopes],
        project_id=project_id,
        expires_at=expires_at,
        created_at=clock.now(),
        key=key,
    )
    values = {
        "id": made.id,
        "user_id": user_id,
        "name": name,
        "fingerprint": fingerprint(key),
        "sealed": vault.seal(key),
        "scopes": ",".join(made.scopes),
        "project_id": project_id,
        "expires_at": expires_at,
        "created_at": made.created_at,
    }
    await tx.connection.execute(insert(ApiKeyRow).values(values))
    tx.audit("api_key.created", made.id, project_id=project_id)
    return made


async def list_keys(db: Database, principal: Principal, limit: int, cursor: str | None) -> ApiKeyPage:
    """The caller's own keys; through a bound key those of its project alone."""
    statement = select(*_COLUMNS).where(*_visible(principal)).order_by(ApiKeyRow.id).limit(limit + 1)
    async with db.connect() as connection:
        rows = (await connection.execute(statement.where(ApiKeyRow.id > cursor) if cursor else statement)).all()
    items = [ApiKey(**_fields(row)) for row in rows[:limit]]
    return ApiKeyPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def get_key(db: Database, vault: Vault, principal: Principal, key_id: str) -> ReadableKey:
    """With the key itself for a login of its owner; each such reading is in the audit before it is answered."""
    async with db.connect() as connection:
        row = (
            await connection.execute(select(*_COLUMNS, ApiKeyRow.sealed).where(ApiKeyRow.id == key_id, *_visible(principal)))
        ).one_or_none()
    if row is None:
        raise not_found("API key", key_id)
    if principal.session_id is None:
        return ReadableKey(**_fields(row), key=None)
    async with db.begin() as tx:
        tx.audit("api_key.revealed", key_id, project_id=row.project_id)
    return ReadableKey(**_fields(row), key=vault.open(row.sealed, str))


async def delete_key(tx: Tx, principal: Principal, key_id: str) -> None:
    """It stops at once, everywhere. A key deletes itself and keys that may not do more than it."""
    statement = select(ApiKeyRow.scopes).where(ApiKeyRow.id == key_id, *_visible(principal))
    scopes = (await tx.connection.execute(statement)).scalar_one_or_none()
    if scopes is None:
        raise not_found("API key", key_id)
    if principal.session_id is None and not frozenset(scopes.split(",")) <= principal.scopes:
        raise Problem("forbidden", "That key may do more than this one: log in to delete it.")
    await tx.connection.execute(delete(ApiKeyRow).where(ApiKeyRow.id == key_id))
    tx.audit("api_key.deleted", key_id)


def _visible(principal: Principal) -> list[Any]:
    own = [ApiKeyRow.user_id == principal.user_id]
    return [*own, ApiKeyRow.project_id == principal.project_id] if principal.project_id else own


def _fields(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row with `_COLUMNS`
    return {
        "id": row.id,
        "name": row.name,
        "scopes": row.scopes.split(","),
        "project_id": row.project_id,
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


def _check_scopes(principal: Principal, scopes: frozenset[str]) -> None:
    too_much = scopes - scopes_of(principal.role)
    if too_much:
        raise Problem("forbidden", f"A key never exceeds its owner: a {principal.role} has no scope {', '.join(sorted(too_much))}.")
    is_lesser = scopes < principal.scopes or "admin" in principal.scopes
    if not (scopes <= principal.scopes if principal.session_id else is_lesser):
        raise Problem("forbidden", "A key makes only keys of lesser scope: log in to make this one.")


async def _project(tx: Tx, principal: Principal, project_id: str | None) -> str | None:
    """The project to bind to: one that the owner may see, and that a bound key is bound to itself."""
    if principal.project_id is not None and project_id not in {None, principal.project_id}:
        raise invalid("/project_id", "is not the project that this key is bound to")
    chosen = project_id or principal.project_id
    if chosen is None:
        return None
    statement = select(ProjectRow.id).outerjoin(MemberRow, membership(principal)).where(ProjectRow.id == chosen, visible(principal))
    if (await tx.connection.execute(statement)).first() is None:
        raise invalid("/project_id", "is no project of yours")
    return chosen


def _end(expires_at: str | None) -> str | None:
    if expires_at is None:
        return None
    try:
        moment = clock.parse(expires_at)
    except ValueError as error:
        raise invalid("/expires_at", "takes a time in RFC 3339 with its zone, such as 2030-01-01T00:00:00Z") from error
    if moment <= datetime.now(UTC):
        raise invalid("/expires_at", "lies in the past")
    return clock.rfc3339(moment)
