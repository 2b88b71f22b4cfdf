"""Routes of API keys. A user sees and makes keys of their own."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

from services.api.api_keys import service
from services.api.api_keys.schemas import ApiKeyPage, NewApiKey, ReadableKey
from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, check_cursor
from services.api.idempotency import Answer, once


class ApiKeyController(Controller):
    path = "/api-keys"
    tags = ("API keys",)

    @get(guards=[scope("read")])
    async def list_api_keys(self, core: TheCore, principal: ThePrincipal, limit: Limit = 50, cursor: Cursor = None) -> ApiKeyPage:
        """Your keys, oldest first, without the keys themselves."""
        return await service.list_keys(core.db, principal, limit, check_cursor(cursor, "key_"))

    @post(guards=[scope("write")])
    async def create_api_key(
        self, request: Request[Any, Any, State], core: TheCore, principal: ThePrincipal, data: JSONBody[NewApiKey]
    ) -> Response[ReadableKey]:
        """Make a key. It never exceeds its owner; a key makes only lesser ones."""

        async def effect(tx: Tx) -> Answer:
            made = await service.create_key(tx, core.vault, principal, data)
            return Answer(status=201, body=msgspec.json.encode(made), headers={"Location": f"/api/v1/api-keys/{made.id}"})

        return reply(await once(core, request, principal, effect))

    @get("/{key_id:str}", guards=[scope("read")])
    async def get_api_key(self, core: TheCore, principal: ThePrincipal, key_id: InPath) -> ReadableKey:
        """One key; a login of its owner sees the key itself."""
        return await service.get_key(core.db, core.vault, principal, key_id)

    @delete("/{key_id:str}", guards=[scope("write")])
    async def delete_api_key(self, core: TheCore, principal: ThePrincipal, key_id: InPath) -> None:
        """Delete the key: it stops at once."""
        async with core.db.begin() as tx:
            await service.delete_key(tx, principal, key_id)
