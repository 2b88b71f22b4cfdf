"""Routes of an app's environment variables."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, put
from litestar.params import Parameter

from libs.common import clock
from libs.common.secrets import MASK, Vault
from services.api.apps import lookup
from services.api.apps.grammar import EnvName, EnvValue
from services.api.apps.models import AppRow
from services.api.apps.settings import merge_env
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.deployments import service as deployments
from services.api.http.guards import require, scope
from services.api.http.principal import Principal
from services.api.http.replies import reply
from services.api.idempotency import Answer, once

Reveal = Annotated[bool, Parameter(description="Show the values; needs the scope write.")]
Deploy = Annotated[bool, Parameter(description="Deploy the app with the new values.")]


class EnvController(Controller):
    path = "/apps/{app:str}/env"
    tags = ("Environment",)

    @get(guards=[scope("read")])
    async def get_env(self, *, core: Core, principal: Principal, app: str, reveal: Reveal = False) -> dict[str, str]:
        """The app's environment variables; the values are masked unless `reveal` asks for them."""
        if reveal:
            require(principal, "write")
        async with core.db.read() as session:
            row, having = await lookup.to_read(session, principal, app)
        if reveal:
            having.need("write")
            async with core.db.begin() as tx:
                tx.audit("env.revealed", row.id, project_id=row.project_id)
        return _values(row, core.vault, reveal=reveal)

    @put(guards=[scope("write")])
    async def set_env(
        self,
        *,
        request: Request[Any, Any, Any],
        core: Core,
        principal: Principal,
        app: str,
        data: dict[EnvName, EnvValue | None],
        deploy: Deploy = False,
    ) -> Response[dict[str, str]]:
        """Merge environment variables; null removes one. They are in effect from the next deploy on."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            headers = {}
            if merge_env(row, data, core.vault):
                row.updated_at = clock.now()
                changed: dict[str, object] = {"changed": ["env"]}
                tx.record("app.updated", "Changed: env.", app_id=row.id, project_id=row.project_id, data=changed)
            if deploy:
                headers["Location"] = (await deployments.deploy(tx, row, principal.actor, core.settings)).links["self"]
            return Answer(status=200, body=msgspec.json.encode(_values(row, core.vault, reveal=False)), headers=headers)

        return reply(await once(core, request, principal, effect))


def _values(app: AppRow, vault: Vault, *, reveal: bool) -> dict[str, str]:
    return {name: value if reveal else MASK for name, value in sorted(vault.open(app.env, dict[str, str]).items())}
