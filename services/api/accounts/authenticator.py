"""From the `Authorization` header to a principal.

This is on the path of every request, so what was found is kept while the database stands still.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

from litestar.types import Scope
from sqlalchemy import bindparam, select
from structlog.contextvars import bind_contextvars

from libs.common import clock
from libs.common.secrets import fingerprint
from services.api.accounts.models import ApiKeyRow, SessionRow, UserRow
from services.api.accounts.tokens import KEY_PREFIX, BadToken, Signer
from services.api.audit.caller import CALLER, Caller
from services.api.core import Core
from services.api.http.principal import Principal, including
from services.api.http.problems import Problem

_BEARER = b"bearer "
_LONGEST = 4096

_BY_KEY = (
    select(
        ApiKeyRow.id, ApiKeyRow.name, ApiKeyRow.scopes, ApiKeyRow.project_id, ApiKeyRow.expires_at, UserRow.id, UserRow.email, UserRow.role
    )
    .join(UserRow, UserRow.id == ApiKeyRow.user_id)
    .where(ApiKeyRow.fingerprint == bindparam("which"), UserRow.disabled.is_(False))
)
_BY_SESSION = (
    select(SessionRow.id, SessionRow.expires_at, UserRow.id, UserRow.email, UserRow.role)
    .join(UserRow, UserRow.id == SessionRow.user_id)
    .where(SessionRow.id == bindparam("which"), UserRow.disabled.is_(False))
)


class Authenticator:
    """`authenticate` is what the guards ask."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.signer = Signer(core.settings.secret_key)

    async def authenticate(self, scope: Scope) -> Principal:
        token = _token(scope["headers"])
        if token is None:
            raise Problem("unauthenticated", "The request has no Authorization: Bearer header.")
        return await self.recognise(token, scope)

    async def recognise(self, token: str, scope: Scope) -> Principal:
        """As `principal`; what this task does from now on is that person's doing."""
        principal = await self.principal(token)
        bind_contextvars(actor=principal.actor)
        CALLER.set(partial(_caller, scope, principal))
        return principal

    async def principal(self, token: str) -> Principal:
        """Who the token stands for; `401 unauthenticated` for none."""
        print_ = fingerprint(token)
        fresh = self._core.fresh
        kept = fresh.look(("principal", print_))
        if isinstance(kept, Principal):
            return kept
        mark = fresh.now()
        principal, until = await (self._by_key(print_) if token.startswith(KEY_PREFIX) else self._by_session(token))
        fresh.keep(("principal", print_), principal, mark, until=until)
        return principal

    async def _by_key(self, print_: str) -> tuple[Principal, float]:
        row = await self._row(_BY_KEY, print_)
        if row is None:
            _refuse("The API key does not exist any more, or its owner is disabled.")
        key_id, name, scopes, project_id, expires_at, user_id, email, role = row
        until = _until(expires_at)
        principal = Principal(
            user_id=user_id,
            email=email,
            role=role,
            scopes=including(frozenset(scopes.split(","))) & scopes_of(role),
            actor=f"key:{name}",
            project_id=project_id,
            key_id=key_id,
        )
        return principal, until

    async def _by_session(self, token: str) -> tuple[Principal, float]:
        try:
            session_id = self.signer.session(token)
        except BadToken:
            _refuse("The token is not one of this server's, or it has expired.")
        row = await self._row(_BY_SESSION, session_id)
        if row is None:
            _refuse("The session has ended: log in again.")
        _, expires_at, user_id, email, role = row
        until = _until(expires_at)
        principal = Principal(user_id=user_id, email=email, role=role, scopes=scopes_of(role), actor=email, session_id=session_id)
        return principal, until

    async def _row(self, statement: Any, which: str) -> Any:  # noqa: ANN401 - a row of many columns, or None
        async with self._core.db.connect() as connection:
            return (await connection.execute(statement, {"which": which})).one_or_none()


def caller_of(scope: Scope) -> Caller:
    """The caller before anybody is logged in: an address."""
    client = scope.get("client")
    return Caller(actor="anyone", address=client[0] if client else "", request_id=str(scope.get("request_id", "")))


def _caller(scope: Scope, principal: Principal) -> Caller:
    client = scope.get("client")
    return Caller(
        actor=principal.actor,
        address=client[0] if client else "",
        request_id=str(scope.get("request_id", "")),
        user_id=principal.user_id,
        key_id=principal.key_id,
        session_id=principal.session_id,
    )


def scopes_of(role: str) -> frozenset[str]:
    """The most that a token of such a user may do."""
    return including(frozenset({"admin" if role == "admin" else "write"}))


def _token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            if value[: len(_BEARER)].lower() != _BEARER or len(value) > _LONGEST:
                _refuse("The Authorization header must be: Bearer and a token.")
            return value[len(_BEARER) :].strip().decode("latin-1")
    return None


def _until(expires_at: str | None) -> float:
    """The end as Unix time; refuses what is over."""
    if expires_at is None:
        return float("inf")
    until = clock.parse(expires_at)
    if until <= datetime.now(UTC):
        _refuse("The token has expired.")
    return until.timestamp()


def _refuse(detail: str) -> NoReturn:
    raise Problem("unauthenticated", detail)
