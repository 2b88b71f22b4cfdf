"""Routes about the key that everything secret is encrypted with. `dockup secrets rotate` calls them."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post

from libs.common.bus import BusAway
from services.api.db.tx import Tx
from services.api.http.given import TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.idempotency import Answer, once
from services.api.secrets import rotation, stored
from services.api.secrets.schemas import Rotated, Secrets


class SecretsController(Controller):
    path = "/system/secrets"
    tags = ("System",)

    @get("", guards=[scope("admin")])
    async def get_secrets(self, core: TheCore, principal: ThePrincipal) -> Secrets:
        """The keys, and how much needs each of them: an old one that nothing needs may go."""
        _need_admin(principal)
        try:
            return await stored.use(core.db, core.bus, core.vault)
        except BusAway as error:
            raise Problem("runtime_unavailable", f"The bus cannot be read: {error}.") from error

    @post("/rotate", status_code=200, guards=[scope("admin")])
    async def rotate_secrets(self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal) -> Response[Rotated]:
        """Put everything that stands under an old key under the first. Broken off, it is taken up by the next call."""
        _need_admin(principal)
        values = await rotation.rotate(core.db, core.vault)

        async def effect(tx: Tx) -> Answer:
            tx.record("system.secrets_rotated", f"{values} values were put under the first secret key.", data={"values": values})
            return Answer(status=200, body=msgspec.json.encode(Rotated(values=values)))

        return reply(await once(core, request, principal, effect))


def _need_admin(principal: Principal) -> None:
    if not principal.is_admin:
        raise Problem("forbidden", "This needs an admin's token that is bound to no project.")
