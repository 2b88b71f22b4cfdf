"""Routes of recovery, for an admin."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import JSONBody

from services.api.db.tx import Tx
from services.api.http.given import TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.idempotency import Answer, once
from services.api.recovery import service
from services.api.recovery.gate import FREE
from services.api.recovery.schemas import Recovered, Recovery, RecoveryBody


class RecoveryController(Controller):
    path = "/system/recovery"
    tags = ("System",)

    @get("", guards=[scope("admin")])
    async def get_recovery(self, core: TheCore, principal: ThePrincipal) -> Recovery:
        """Whether the database is older than what runs, and how the two differ."""
        _need_admin(principal)
        return await service.look(core)

    @post("", status_code=200, guards=[scope("admin")], opt={FREE: True})
    async def recover(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, data: JSONBody[RecoveryBody]
    ) -> Response[Recovered]:
        """End recovery mode: `adopt` makes the database as what runs, `enforce` makes what runs as the database."""
        _need_admin(principal)
        picture = await service.picture(core)

        async def effect(tx: Tx) -> Answer:
            way = service.adopt_all if data.mode == "adopt" else service.enforce
            found = await way(tx, core.vault, picture)
            return Answer(status=200, body=msgspec.json.encode(Recovered(mode=data.mode, apps=found)))

        answer = await once(core, request, principal, effect)
        await core.db.reload_epoch()
        core.look_at_bus()
        return reply(answer)


def _need_admin(principal: Principal) -> None:
    if not principal.is_admin:
        raise Problem("forbidden", "This needs an admin's token that is bound to no project.")
