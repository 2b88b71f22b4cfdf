"""Routes of an app's custom domains."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.params import JSONBody

from services.api.apps import lookup
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.domains import grammar, service
from services.api.domains.schemas import Domain, DomainPage, NewDomain
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, check_cursor
from services.api.idempotency import Answer, once

_PREFIX = "dom_"


class DomainController(Controller):
    path = "/apps/{app:str}/domains"
    tags = ("Domains",)

    @get(guards=[scope("read")])
    async def list_domains(
        self, *, core: TheCore, principal: ThePrincipal, app: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> DomainPage:
        """The app's custom domains, oldest first, with their certificates and what DNS says."""
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            return await service.page(session, row, core.settings, limit, check_cursor(cursor, _PREFIX))

    @post(guards=[scope("write")])
    async def add_domain(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, data: JSONBody[NewDomain]
    ) -> Response[Domain]:
        """Add a domain. It is routed as soon as DNS leads here, or has the record of `verification`; DNS is asked again by itself."""
        name = grammar.to_name(data.name, core.settings.base_domain)
        app_id = await _id_to_change(core, principal, app)
        seen = await service.look(core.resolver, name)

        async def effect(tx: Tx) -> Answer:
            await service.hold(tx, app_id, name)
            row = await lookup.to_change(tx, principal, app, "write")
            await service.add(tx, row, name, seen)
            made = await service.get(tx.session, row, core.settings, name)
            headers = {"Location": f"/api/v1/apps/{row.id}/domains/{name}"}
            return Answer(status=201, body=msgspec.json.encode(made), headers=headers)

        return reply(await once(core, request, principal, effect))

    @get("/{name:str}", guards=[scope("read")])
    async def get_domain(self, *, core: TheCore, principal: ThePrincipal, app: InPath, name: InPath) -> Domain:
        """One domain, by its name."""
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            return await service.get(session, row, core.settings, grammar.asked(name))

    @post("/{name:str}/check", status_code=200, guards=[scope("write")])
    async def check_domain(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, name: InPath
    ) -> Response[Domain]:
        """Ask DNS now, instead of waiting for the next time."""
        wanted = grammar.asked(name)
        await _id_to_change(core, principal, app)
        seen = await service.look(core.resolver, wanted)

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            domain = await service.locked(tx, row, wanted)
            service.take(tx, row, domain, seen)
            await tx.flush()
            tx.audit("domain.checked", row.id, project_id=row.project_id)
            return Answer(status=200, body=msgspec.json.encode(await service.get(tx.session, row, core.settings, wanted)))

        return reply(await once(core, request, principal, effect))

    @delete("/{name:str}", guards=[scope("write")])
    async def delete_domain(self, *, core: TheCore, principal: ThePrincipal, app: InPath, name: InPath) -> None:
        """Take the domain away, and its route with it."""
        wanted = grammar.asked(name)
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            await service.remove(tx, row, await service.locked(tx, row, wanted))


async def _id_to_change(core: Core, principal: Principal, app: str) -> str:
    """Refuse before DNS is asked: nobody has this server look names up who may not."""
    async with core.db.read() as session:
        row, standing = await lookup.to_read(session, principal, app)
        standing.need("write")
    return row.id
