"""What happens to users and their sessions. Functions that take a `Tx` run in the caller's transaction."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from libs.common import clock, ids
from services.api.accounts import passwords
from services.api.accounts.models import SessionRow, UserRow
from services.api.accounts.schemas import CreatedUser, NewUser, Session, SessionPage, User, UserPage, UserUpdate
from services.api.accounts.tokens import new_session
from services.api.db.database import Database
from services.api.db.locks import held, held_to_delete
from services.api.db.tx import Tx
from services.api.http.principal import Principal
from services.api.http.problems import FieldError, Problem, not_found
from services.api.projects.models import ProjectRow

_COLUMNS = (UserRow.id, UserRow.email, UserRow.role, UserRow.disabled, UserRow.created_at)
_LONGEST_AGENT = 200
_READ_ONLY = ("id", "email", "created_at")


def as_user(row: Any) -> User:  # noqa: ANN401 - a row with `_COLUMNS`
    return User(id=row.id, email=row.email, role=row.role, disabled=row.disabled, created_at=row.created_at)


class Checked(NamedTuple):
    """A user whose password was right, and what it was found to fit: it may be another by the time that something follows."""

    user: User
    hashed: str


async def check_password(db: Database, email: str, password: str) -> Checked | None:
    """The user with this email and password, unless disabled. Takes the same time when there is none."""
    async with db.connect() as connection:
        statement = select(*_COLUMNS, UserRow.password_hash).where(UserRow.email == email.lower())
        row = (await connection.execute(statement)).one_or_none()
    is_right = await passwords.matches(password, row.password_hash if row is not None else None)
    return Checked(as_user(row), row.password_hash) if row is not None and is_right and not row.disabled else None


async def id_of(tx: Tx, email: str) -> str | None:
    """The user of this email, for the audit of a login that was refused."""
    found: str | None = (await tx.connection.execute(select(UserRow.id).where(UserRow.email == email.lower()))).scalar_one_or_none()
    return found


async def still_holds(tx: Tx, checked: Checked) -> bool:
    """Whether that is the user's password still. From here on whoever changes it waits, and then ends the sessions that came before."""
    query = select(UserRow.id).where(UserRow.id == checked.user.id, UserRow.password_hash == checked.hashed, UserRow.disabled.is_(False))
    return (await tx.connection.execute(held(query))).first() is not None


async def open_session(tx: Tx, user_id: str, address: str, agent: str) -> tuple[str, str]:
    """Start a session; its id and its end. Old ones that are over go."""
    session_id, expires_at = new_session()
    now = clock.now()
    await tx.connection.execute(delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.expires_at < now))
    values = {"id": session_id, "user_id": user_id, "created_at": now, "expires_at": expires_at}
    values |= {"address": address, "agent": agent[:_LONGEST_AGENT]}
    tx.audit("login.accepted", user_id)
    await tx.connection.execute(insert(SessionRow).values(values))
    return session_id, expires_at


async def end_session(tx: Tx, user_id: str, session_id: str) -> None:
    """It ends at once, everywhere. `404` for one that is over or somebody else's."""
    ended = await tx.connection.execute(delete(SessionRow).where(SessionRow.id == session_id, SessionRow.user_id == user_id))
    if ended.rowcount == 0:
        raise not_found("session", session_id)
    tx.audit("session.ended", session_id)


async def list_sessions(db: Database, principal: Principal, limit: int, cursor: str | None) -> SessionPage:
    """The logins of the one who asks that are not over, oldest first."""
    mine = (SessionRow.user_id == principal.user_id, SessionRow.expires_at > clock.now())
    columns = (SessionRow.id, SessionRow.created_at, SessionRow.expires_at, SessionRow.address, SessionRow.agent)
    statement = select(*columns).where(*mine).order_by(SessionRow.id).limit(limit + 1)
    async with db.connect() as connection:
        rows = (await connection.execute(statement.where(SessionRow.id > cursor) if cursor else statement)).all()
    items = [Session(**row._mapping, current=row.id == principal.session_id) for row in rows[:limit]]  # noqa: SLF001 - SQLAlchemy's public name
    return SessionPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def end_sessions(tx: Tx, user_id: str) -> None:
    await tx.connection.execute(delete(SessionRow).where(SessionRow.user_id == user_id))


async def set_password(tx: Tx, user_id: str, hashed: str) -> None:
    """A new password ends every session."""
    tx.audit("user.password_changed", user_id)
    await tx.connection.execute(update(UserRow).where(UserRow.id == user_id).values(password_hash=hashed))
    await end_sessions(tx, user_id)


async def get_user(db: Database, user_id: str) -> User:
    async with db.connect() as connection:
        row = (await connection.execute(select(*_COLUMNS).where(UserRow.id == user_id))).one_or_none()
    if row is None:
        raise not_found("user", user_id)
    return as_user(row)


async def list_users(db: Database, limit: int, cursor: str | None) -> UserPage:
    statement = select(*_COLUMNS).order_by(UserRow.id).limit(limit + 1)
    async with db.connect() as connection:
        rows = (await connection.execute(statement.where(UserRow.id > cursor) if cursor else statement)).all()
    items = [as_user(row) for row in rows[:limit]]
    return UserPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def create_user(tx: Tx, body: NewUser, hashed: str, made: str | None = None) -> CreatedUser:
    """`409 email_taken`. `made` is the password that was made for the user."""
    email = body.email.lower()
    taken = Problem("email_taken", f"There is a user {email} already.")
    if (await tx.connection.execute(select(UserRow.id).where(UserRow.email == email))).first():
        raise taken
    user = CreatedUser(id=ids.new("usr"), email=email, role=body.role, disabled=False, created_at=clock.now(), password=made)
    values = {"id": user.id, "email": email, "role": user.role, "disabled": False, "created_at": user.created_at, "password_hash": hashed}
    try:
        await tx.connection.execute(insert(UserRow).values(values))
    except IntegrityError as error:  # another request was first
        raise taken from error
    tx.audit("user.created", user.id)
    return user


async def update_user(tx: Tx, user_id: str, body: UserUpdate, hashed: str | None) -> User:
    """`409 last_admin` when nobody could administer any more."""
    before = await _locked(tx, user_id)
    _check_read_only(body, before)
    role = before.role if isinstance(body.role, msgspec.UnsetType) else body.role
    disabled = before.disabled if isinstance(body.disabled, msgspec.UnsetType) else body.disabled
    if before.role == "admin" and not before.disabled and (role != "admin" or disabled):
        await _need_another_admin(tx, user_id)
    await tx.connection.execute(update(UserRow).where(UserRow.id == user_id).values(role=role, disabled=disabled))
    tx.audit("user.updated", user_id)
    if hashed is not None:
        await set_password(tx, user_id, hashed)
    if disabled:
        await end_sessions(tx, user_id)
    return User(id=before.id, email=before.email, role=role, disabled=disabled, created_at=before.created_at)


async def delete_user(tx: Tx, user_id: str, heir_id: str) -> None:
    """Take the user with sessions and keys. `409` for the one who asks and for an owner of projects.

    What is kept of the user's projects that are gone is the heir's, who asks: history has an owner.
    """
    before = await _locked(tx, user_id, to_delete=True)
    if user_id == heir_id:
        raise Problem("conflict", "Nobody deletes their own account: another admin has to.")
    if before.role == "admin" and not before.disabled:  # the one who asks may be none any more
        await _need_another_admin(tx, user_id)
    statement = select(func.count()).select_from(ProjectRow).where(ProjectRow.owner_id == user_id, ProjectRow.gone_at.is_(None))
    owned = (await tx.connection.execute(statement)).scalar_one()
    if owned:
        raise Problem("conflict", f"The user owns {owned} projects: delete them first, or set disabled.")
    await tx.connection.execute(update(ProjectRow).where(ProjectRow.owner_id == user_id).values(owner_id=heir_id))
    await tx.connection.execute(delete(UserRow).where(UserRow.id == user_id))
    tx.audit("user.deleted", user_id)


async def _locked(tx: Tx, user_id: str, *, to_delete: bool = False) -> User:
    """The user, with all admins: of two admins who take each other's role one is the last."""
    everybody = select(UserRow.id).where((UserRow.id == user_id) | (UserRow.role == "admin")).order_by(UserRow.id)
    await tx.connection.execute(held(everybody))
    query = select(*_COLUMNS).where(UserRow.id == user_id)
    row = (await tx.connection.execute(held_to_delete(query) if to_delete else query)).one_or_none()
    if row is None:
        raise not_found("user", user_id)
    return as_user(row)


async def _need_another_admin(tx: Tx, user_id: str) -> None:
    statement = select(UserRow.id).where(UserRow.role == "admin", UserRow.disabled.is_(False))
    admins = set((await tx.connection.execute(statement)).scalars())
    if admins <= {user_id}:
        raise Problem("last_admin")


def _check_read_only(body: UserUpdate, before: User) -> None:
    changed = [name for name in _READ_ONLY if getattr(body, name) not in {msgspec.UNSET, getattr(before, name)}]
    if changed:
        errors = [FieldError(pointer=f"/{name}", detail="cannot be changed") for name in changed]
        raise Problem("read_only_field", f"{', '.join(changed)}: cannot be changed.", errors=errors)
