"""Routes of environment variables: an app's own, and those that a project's apps share."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post, put
from litestar.params import JSONBody, Parameter

from libs.common import clock
from libs.common.secrets import MASK, Vault
from services.api.apps import lookup
from services.api.apps.grammar import EnvName, EnvValue
from services.api.apps.models import AppRow
from services.api.apps.settings import merge_env
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.deployments import service as deployments
from services.api.env import dotenv
from services.api.env.schemas import DotEnv
from services.api.http import matching
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import require, scope
from services.api.http.matching import IfMatch
from services.api.http.principal import Principal
from services.api.http.replies import reply
from services.api.http.strict import convert
from services.api.idempotency import Answer, once
from services.api.projects import service as projects
from services.api.projects import shared

Reveal = Annotated[bool, Parameter(description="Show the values; needs the scope write.")]
Deploy = Annotated[bool, Parameter(description="Deploy the app with the new values.")]


class EnvController(Controller):
    path = "/apps/{app:str}/env"
    tags = ("Environment",)

    @get(guards=[scope("read")])
    async def get_env(self, *, core: TheCore, principal: ThePrincipal, app: InPath, reveal: Reveal = False) -> Response[dict[str, str]]:
        """The app's environment variables; the values are masked unless `reveal` asks for them."""
        if reveal:
            require(principal, "write")
        async with core.db.read() as session:
            row, having = await lookup.to_read(session, principal, app)
        if reveal:
            having.need("write")
            async with core.db.begin() as tx:
                tx.audit("env.revealed", row.id, project_id=row.project_id)
        return Response(_values(row, core.vault, reveal=reveal), headers=_tagged(row.env))

    @put(guards=[scope("write")])
    async def set_env(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        data: JSONBody[dict[EnvName, EnvValue | None]],
        deploy: Deploy = False,
        if_match: IfMatch = None,
    ) -> Response[dict[str, str]]:
        """Merge environment variables; null removes one. They are in effect from the next deploy on."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            matching.check(if_match, matching.etag(row.env))
            return await _merged(tx, core, row, principal, data, deploy=deploy)

        return reply(await once(core, request, principal, effect))

    @post("/import", status_code=200, guards=[scope("write")])
    async def import_env(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        data: JSONBody[DotEnv],
        deploy: Deploy = False,
    ) -> Response[dict[str, str]]:
        """Merge the variables of a `.env` file, or have them replace all that is there."""
        sent = await asyncio.to_thread(dotenv.parse, data.dotenv)

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            gone = core.vault.open(row.env, dict[str, str]).keys() - sent.keys() if data.replace else ()
            wanted = convert({**sent, **dict.fromkeys(gone)}, dict[EnvName, EnvValue | None])
            return await _merged(tx, core, row, principal, wanted, deploy=deploy)

        return reply(await once(core, request, principal, effect))


class SharedEnvController(Controller):
    path = "/projects/{project_id:str}/env"
    tags = ("Environment",)

    @get(guards=[scope("read")])
    async def get_shared_env(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, reveal: Reveal = False
    ) -> Response[dict[str, str]]:
        """Variables that the project's apps may refer to, as `${{ shared.NAME }}`; the values are masked unless `reveal` asks for them."""
        if reveal:
            require(principal, "write")
        async with core.db.read() as session:
            seen = await projects.to_read(session, principal, project_id)
        if reveal:
            seen.having.need("write")
            async with core.db.begin() as tx:
                tx.audit("env.revealed", project_id, project_id=project_id)
        shown = _shown(shared.values_of(seen.project, core.vault), reveal=reveal)
        return Response(shown, headers=_tagged(seen.project.shared_env))

    @put(guards=[scope("write")])
    async def set_shared_env(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        project_id: InPath,
        data: JSONBody[dict[EnvName, EnvValue | None]],
        if_match: IfMatch = None,
    ) -> Response[dict[str, str]]:
        """Merge shared variables; null removes one that no app refers to. Apps get the new values with their next deploy."""

        async def effect(tx: Tx) -> Answer:
            project = await projects.to_change(tx, principal, project_id, "write")
            matching.check(if_match, matching.etag(project.shared_env))
            await shared.change(tx, project, data)
            shown = _shown(shared.values_of(project, core.vault), reveal=False)
            return Answer(status=200, body=msgspec.json.encode(shown), headers=_tagged(project.shared_env))

        return reply(await once(core, request, principal, effect))


async def _merged(tx: Tx, core: Core, row: AppRow, principal: Principal, sent: Mapping[str, str | None], *, deploy: bool) -> Answer:
    headers: dict[str, str] = {}
    if merge_env(row, sent, core.vault):
        await shared.note(tx, row)
        row.updated_at = clock.now()
        changed: dict[str, object] = {"changed": ["env"]}
        tx.record("app.updated", "Changed: env.", app_id=row.id, project_id=row.project_id, data=changed)
    if deploy:
        headers["Location"] = (await deployments.deploy(tx, row, principal.actor, core.settings)).links["self"]
    return Answer(status=200, body=msgspec.json.encode(_values(row, core.vault, reveal=False)), headers={**headers, **_tagged(row.env)})


def _tagged(sealed: str | None) -> dict[str, str]:
    """Of the variables as they are kept, encrypted: who may not see them cannot guess at them by it."""
    return {"ETag": matching.etag(sealed)}


def _values(app: AppRow, vault: Vault, *, reveal: bool) -> dict[str, str]:
    return _shown(vault.open(app.env, dict[str, str]), reveal=reveal)


def _shown(env: Mapping[str, str], *, reveal: bool) -> dict[str, str]:
    return {name: value if reveal else MASK for name, value in sorted(env.items())}
