"""`?dry_run=true`: the change is made, so that everything that could refuse it does, and then taken back."""

from typing import Any

import msgspec
from litestar import Request, Response

from services.api.apps.plans import Plan
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.http.principal import Principal
from services.api.http.replies import reply
from services.api.idempotency import Answer, Effect, once


class _Undo(Exception):
    """Ends a transaction whose changes were only tried."""


async def tried(
    core: Core, request: Request[Any, Any, Any], principal: Principal, effect: Effect, *, dry_run: bool, body: bytes | None = None
) -> Response[Any]:
    """Run `effect`; with `dry_run` only to see that it would succeed."""
    if not dry_run:
        return reply(await once(core, request, principal, effect, body))
    return reply(await undone(core, effect))


async def undone(core: Core, effect: Effect) -> Answer:
    """What `effect` would answer; nothing is changed."""
    answer: Answer | None = None
    try:
        async with core.db.begin() as tx:
            answer = await effect(tx)
            raise _Undo  # noqa: TRY301 - what makes the transaction roll back
    except _Undo:
        if answer is None:
            raise
        return answer


def planned(tx: Tx, plan: Plan) -> Answer:
    """The plan as the effect's answer."""
    tx.entries.clear()
    return Answer(status=200, body=msgspec.json.encode(plan))
