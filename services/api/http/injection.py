"""Two ways of Litestar made shorter, because every request goes them.

Two dependencies cost a task group a request: more than the rest of the way. `core` and `principal` are plain look-ups, so they are
put beside the path parameters by an extractor, as Litestar has for its own. And Litestar copies the whole route for each guard it
calls, so our guards are called by `Knows.check`. The declarations on app and routes stay as they are.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.routes import HTTPRoute

from services.api.http.guards import Scope

_LOOKED_UP = {"core", "principal"}


async def _core(values: dict[str, Any], connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    values["core"] = connection.app.state.core


async def _principal(values: dict[str, Any], connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    values["principal"] = connection.scope["user"]


_EXTRACTORS = {"core": _core, "principal": _principal}


def shorten(routes: list[Any]) -> None:
    """Replace the two on every route, once the routes are all registered; other dependencies stay as they are."""
    for route in routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler, model in route.route_handler_map.values():
            if all(isinstance(guard, Scope) for guard in handler.resolve_guards()):
                handler._resolved_guards = []  # noqa: SLF001 - see above; a name that is gone fails at the start
            names = {dependency.key for batch in model.dependency_batches for dependency in batch}
            if names and names <= _LOOKED_UP:
                model.dependency_batches = []
                model.extractors.extend(_EXTRACTORS[name] for name in sorted(names))
