"""The gate that recovery mode closes."""

from typing import Any

from litestar import Request

from services.api.core import Core
from services.api.http.problems import Problem
from services.api.recovery import mode

FREE = "free_in_recovery"
"""`opt={FREE: True}` on a route that writes and is taken in recovery mode too."""
_KEY = "recovery needed"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


async def refuse(request: Request[Any, Any, Any]) -> None:
    """`503 recovery_needed` for what would write on a base that may not stand."""
    if request.method not in _READING and not request.scope["route_handler"].opt.get(FREE):
        await refuse_writes(request.app.state.core)


async def refuse_writes(core: Core) -> None:
    """As `refuse`, for what is no request with a body: a WebSocket in which something may be changed."""
    known = core.fresh.look(_KEY)
    if known is None:
        mark = core.fresh.now()
        async with core.db.connect() as connection:
            known = await mode.needed(connection) or False
        core.fresh.keep(_KEY, known, mark)
    if isinstance(known, mode.Need):
        raise Problem("recovery_needed", f"{known.reason} Nothing is written until it is decided which of them wins.")
