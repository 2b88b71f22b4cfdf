"""Routes of logins and users."""

from functools import partial
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.datastructures import State
from litestar.params import JSONBody

from libs.common.secrets import fingerprint
from services.api.accounts import passwords, service
from services.api.accounts.authenticator import caller_of
from services.api.accounts.schemas import (
    CreatedUser,
    LoggedIn,
    Login,
    Me,
    NewUser,
    PasswordChange,
    Registration,
    SessionPage,
    User,
    UserPage,
    UserUpdate,
)
from services.api.audit.caller import CALLER
from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import SCOPES, Principal
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, check_cursor
from services.api.idempotency import Answer, once, replay
from services.api.recovery.gate import FREE


def _stranger(email: str) -> Principal:
    """Whose `Idempotency-Key` it is when nobody is logged in: strangers have theirs apart, so that none can block another's."""
    return Principal(user_id=f"anyone:{fingerprint(email.lower())[:32]}", email=email, role="member", scopes=frozenset(), actor="anyone")


async def _to_keep(request: Request[Any, Any, State]) -> bytes | None:
    """What stands for a body with passwords in it where its `Idempotency-Key` is kept; None where that has none."""
    key = request.headers.get("idempotency-key")
    return None if key is None else await passwords.stand_in(await request.body(), key)


class AuthController(Controller):
    path = "/auth"
    tags = ("Accounts",)

    @post("/login", status_code=200, opt={FREE: True})
    async def log_in(self, request: Request[Any, Any, State], core: TheCore, data: JSONBody[Login]) -> LoggedIn:
        """Log in with email and password; the token lives 12 hours."""
        caller = caller_of(request.scope)
        CALLER.set(lambda: caller)
        address = caller.address
        throttle = request.app.state.throttle
        await throttle.count(data.email, address)
        checked = await service.check_password(core.db, data.email, data.password)
        async with core.db.begin() as tx:
            if is_right := checked is not None and await service.still_holds(tx, checked):
                user = checked.user
                session_id, expires_at = await service.open_session(tx, user.id, address, request.headers.get("user-agent", ""))
            else:
                tx.audit("login.refused", await service.id_of(tx, data.email), outcome="refused")
        if not is_right:
            raise Problem("invalid_credentials")
        await throttle.forgive(data.email, address)
        token = request.app.state.authenticator.signer.sign(session_id, user.id, expires_at)
        return LoggedIn(token=token, token_type="Bearer", expires_at=expires_at, user=user)  # noqa: S106 - the word of RFC 6750

    @get("/me", guards=[scope("read")])
    async def get_me(self, core: TheCore, principal: ThePrincipal) -> Me:
        """Who you are, and what this token may do."""
        user = await service.get_user(core.db, principal.user_id)
        return Me(
            id=user.id,
            email=user.email,
            role=user.role,
            disabled=user.disabled,
            created_at=user.created_at,
            scopes=[name for name in SCOPES if name in principal.scopes],
            key_id=principal.key_id,
            project_id=principal.project_id,
        )

    @post("/logout", status_code=204, guards=[scope("read")], opt={FREE: True})
    async def log_out(self, request: Request[Any, Any, State], core: TheCore, principal: ThePrincipal) -> Response[None]:
        """End the session that the token stands for."""
        session_id = principal.session_id
        if session_id is None:
            raise Problem("conflict", "An API key has no session to end.", hint="Delete the key: DELETE /api/v1/api-keys/{id}.")

        async def effect(tx: Tx) -> Answer:
            await service.end_session(tx, principal.user_id, session_id)
            return Answer(status=204, body=b"")

        return reply(await once(core, request, principal, effect))

    @get("/sessions", guards=[scope("read")])
    async def list_sessions(self, core: TheCore, principal: ThePrincipal, limit: Limit = 50, cursor: Cursor = None) -> SessionPage:
        """Your logins that are not over, oldest first, and from where they were made."""
        return await service.list_sessions(core.db, principal, limit, check_cursor(cursor, "ses_"))

    @delete("/sessions/{session_id:str}", guards=[scope("write")], opt={FREE: True})
    async def end_session(self, core: TheCore, principal: ThePrincipal, session_id: InPath) -> None:
        """End one of your logins: its token stops at once, and open streams within a second."""
        async with core.db.begin() as tx:
            await service.end_session(tx, principal.user_id, session_id)

    @post("/password", status_code=204, guards=[scope("write")])
    async def change_password(
        self, request: Request[Any, Any, State], core: TheCore, principal: ThePrincipal, data: JSONBody[PasswordChange]
    ) -> Response[None]:
        """Change your password. Every session ends, this one too: log in again."""
        kept = await _to_keep(request)
        wrong = Problem("invalid_credentials", "The current password is wrong.")
        if (first := await replay(core, request, principal, kept)) is not None:
            return reply(first)
        await request.app.state.throttle.count(principal.email, request.client.host if request.client else "")
        if (checked := await service.check_password(core.db, principal.email, data.current_password)) is None:
            if (first := await replay(core, request, principal, kept)) is None:  # the same request may have changed it just now
                raise wrong
            return reply(first)
        hashed = await passwords.make_hash(data.new_password)

        async def effect(tx: Tx) -> Answer:
            if not await service.still_holds(tx, checked):
                raise wrong
            await service.set_password(tx, principal.user_id, hashed)
            return Answer(status=204, body=b"")

        return reply(await once(core, request, principal, effect, kept))

    @post("/register")
    async def register(self, request: Request[Any, Any, State], core: TheCore, data: JSONBody[Registration]) -> Response[User]:
        """Make an account of your own, where the server's registration is open."""
        if core.settings.registration != "open":
            raise Problem("registration_closed")
        CALLER.set(partial(caller_of, request.scope))
        await request.app.state.throttle.count("", request.client.host if request.client else "")
        hashed = await passwords.make_hash(data.password)
        new = NewUser(email=data.email)

        async def effect(tx: Tx) -> Answer:
            user = await service.create_user(tx, new, hashed)
            return Answer(status=201, body=msgspec.json.encode(user))

        return reply(await once(core, request, _stranger(data.email), effect, await _to_keep(request)))


class UserController(Controller):
    path = "/users"
    tags = ("Accounts",)

    @get(guards=[scope("admin")])
    async def list_users(self, core: TheCore, principal: ThePrincipal, limit: Limit = 50, cursor: Cursor = None) -> UserPage:
        """Everybody, oldest first."""
        _need_all(principal)
        return await service.list_users(core.db, limit, check_cursor(cursor, "usr_"))

    @post(guards=[scope("admin")])
    async def create_user(
        self, request: Request[Any, Any, State], core: TheCore, principal: ThePrincipal, data: JSONBody[NewUser]
    ) -> Response[CreatedUser]:
        """Make a user. Without a password one is made, and shown in this answer alone."""
        _need_all(principal)
        made = passwords.generate() if data.password is None else None
        hashed = await passwords.make_hash(data.password or made or "")

        async def effect(tx: Tx) -> Answer:
            user = await service.create_user(tx, data, hashed, made)
            return Answer(status=201, body=msgspec.json.encode(user))

        return reply(await once(core, request, principal, effect, await _to_keep(request)))

    @put("/{user_id:str}", guards=[scope("admin")])
    async def update_user(self, core: TheCore, principal: ThePrincipal, user_id: InPath, data: JSONBody[UserUpdate]) -> User:
        """Change role or password, or disable. A new password and a disabled user end the user's sessions."""
        _need_all(principal)
        hashed = await passwords.make_hash(data.password) if isinstance(data.password, str) else None
        async with core.db.begin() as tx:
            return await service.update_user(tx, user_id, data, hashed)

    @delete("/{user_id:str}", guards=[scope("admin")])
    async def delete_user(self, core: TheCore, principal: ThePrincipal, user_id: InPath) -> None:
        """Remove the user, with sessions and API keys."""
        _need_all(principal)
        async with core.db.begin() as tx:
            await service.delete_user(tx, user_id, heir_id=principal.user_id)


def _need_all(principal: Principal) -> None:
    if not principal.is_admin:
        raise Problem("forbidden", "A key that is bound to a project cannot administer users.")
