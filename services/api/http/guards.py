"""What a route asks of a token: `guards=[scope("write")]`. The guard also finds out who asks."""

from typing import Any, Protocol

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope as ConnectionScope

from services.api.http.permissions import PERMISSIONS
from services.api.http.principal import SCOPES, Principal
from services.api.http.problems import Problem


class Authenticates(Protocol):
    """`app.state.authenticator`."""

    async def authenticate(self, scope: ConnectionScope) -> Principal:
        """The principal of the connection's token; `401 unauthenticated` without a valid one."""


def guards_of(handler: BaseRouteHandler) -> list["Scope"]:
    """What a route asks for: what the table of permissions says of its operation.

    A route declares it too, beside its function, where it is read first. `RuntimeError` at the start when the two differ.
    """
    declared = [guard for layer in handler.ownership_layers for guard in layer.guards or () if isinstance(guard, Scope)]
    name = handler_name(handler)
    if name not in PERMISSIONS:
        return declared
    needed = [scope(PERMISSIONS[name].scope)] if PERMISSIONS[name].scope else []
    if [guard.needed for guard in declared] != [guard.needed for guard in needed]:
        raise RuntimeError(f"the route of {name} does not declare the scope that services/api/http/permissions.py has")
    return needed


def handler_name(handler: BaseRouteHandler) -> str:
    """The operation's name: the function's, in camelCase."""
    first, *rest = handler.handler_name.rsplit(".", 1)[-1].split("_")
    return first + "".join(part.capitalize() for part in rest)


class Scope:
    """Lets in who has a valid token of scope `needed` or more; `401 unauthenticated`, `403 forbidden` otherwise.

    Whether the project at hand is theirs, and their role in it, is the service's to ask. A test sees to it that every route but
    the public ones has such a guard.
    """

    def __init__(self, needed: str) -> None:
        if needed not in SCOPES:
            raise ValueError(f"{needed!r} is not a scope")
        self.needed = needed

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        authenticator: Authenticates = connection.app.state.authenticator
        principal = await authenticator.authenticate(connection.scope)
        connection.scope["user"] = principal
        require(principal, self.needed)


def scope(needed: str) -> Scope:
    """The guard that a route names: `guards=[scope("deploy")]`."""
    return Scope(needed)


def require(principal: Principal, needed: str) -> None:
    """`403 forbidden` unless the token has the scope; for what a part of a route alone needs (`?reveal=true`)."""
    if needed not in principal.scopes:
        having = ", ".join(name for name in SCOPES if name in principal.scopes) or "none"
        raise Problem("forbidden", f"This needs a token with the scope {needed}; this one has {having}.")
