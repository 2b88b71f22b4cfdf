"""Routes of private registries. A user sees and makes registries of their own."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.datastructures import State
from litestar.params import JSONBody

from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, check_cursor
from services.api.idempotency import Answer, once
from services.api.registries import service
from services.api.registries.schemas import NewRegistry, Registry, RegistryCheck, RegistryPage, RegistryUpdate

_PREFIX = "reg_"


class RegistryController(Controller):
    path = "/registries"
    tags = ("Registries",)

    @get(guards=[scope("read")])
    async def list_registries(self, core: TheCore, principal: ThePrincipal, limit: Limit = 50, cursor: Cursor = None) -> RegistryPage:
        """Your registries, oldest first, without their passwords."""
        return await service.page(core.db, principal, limit, check_cursor(cursor, _PREFIX))

    @post(guards=[scope("write")])
    async def create_registry(
        self, request: Request[Any, Any, State], core: TheCore, principal: ThePrincipal, data: JSONBody[NewRegistry]
    ) -> Response[Registry]:
        """Keep a login for a registry. Images of its server are pulled with it in all projects that you own."""
        if principal.project_id is not None:
            raise Problem("forbidden", "A key that is bound to one project has no part in your registries.")

        async def effect(tx: Tx) -> Answer:
            made = await service.create(tx, core.vault, principal, data)
            return Answer(status=201, body=msgspec.json.encode(made), headers={"Location": f"/api/v1/registries/{made.id}"})

        return reply(await once(core, request, principal, effect))

    @get("/{registry_id:str}", guards=[scope("read")])
    async def get_registry(self, core: TheCore, principal: ThePrincipal, registry_id: InPath) -> Registry:
        """One registry, without its password."""
        return service.to_view(await service.get(core.db, principal, registry_id))

    @put("/{registry_id:str}", guards=[scope("write")])
    async def update_registry(
        self, core: TheCore, principal: ThePrincipal, registry_id: InPath, data: JSONBody[RegistryUpdate]
    ) -> Registry:
        """Change it; the next pull takes it as it is then. Another server needs its password too."""
        async with core.db.begin() as tx:
            return await service.change(tx, core.vault, principal, registry_id, data)

    @delete("/{registry_id:str}", guards=[scope("write")])
    async def delete_registry(self, core: TheCore, principal: ThePrincipal, registry_id: InPath) -> None:
        """Forget the login. What was pulled with it stays with the apps that have it."""
        async with core.db.begin() as tx:
            await service.remove(tx, principal, registry_id)

    @post("/{registry_id:str}/check", status_code=200, guards=[scope("write")])
    async def check_registry(
        self, request: Request[Any, Any, State], core: TheCore, principal: ThePrincipal, registry_id: InPath
    ) -> Response[RegistryCheck]:
        """Try the login at its registry."""
        checked = await service.check(core.bus, await service.get(core.db, principal, registry_id))

        async def effect(tx: Tx) -> Answer:
            tx.audit("registry.checked", registry_id, outcome="done" if checked.ok else "failed")
            return Answer(status=200, body=msgspec.json.encode(checked))

        return reply(await once(core, request, principal, effect))
