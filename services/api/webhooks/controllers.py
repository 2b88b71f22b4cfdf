"""Routes of webhooks. Deliveries have no token: their signature is what lets them in."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post

from services.api.apps import lookup
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.http.bodies import RAW_BODY
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.problems import Problem, invalid
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, check_cursor
from services.api.idempotency import Answer, once
from services.api.webhooks import receive, service
from services.api.webhooks.events import Came, Said, Unreadable
from services.api.webhooks.providers import PROVIDERS
from services.api.webhooks.providers.github import repo_of
from services.api.webhooks.schemas import Delivery, DeliveryPage, Received, Webhook

_LARGEST = 25 * 1024**2
"""What GitHub sends at most."""


class WebhookController(Controller):
    tags = ("Webhooks",)

    @post("/webhooks/github", status_code=202, opt={RAW_BODY: True}, request_max_body_size=_LARGEST)
    async def receive_github(self, *, request: Request[Any, Any, Any], core: TheCore) -> Received:
        """Take a delivery for every app that is built from its repository, signed with DOCKUP_GITHUB_WEBHOOK_SECRET."""
        came = await _came(request, "github")
        app_ids = await service.apps_of(core, repo_of(came.body))
        secret = core.settings.github_webhook_secret
        if not PROVIDERS["github"].is_signed(came, secret):
            raise await _rejected(core, came, app_ids, "signature" if secret else "DOCKUP_GITHUB_WEBHOOK_SECRET is not set")
        return await _receive(request, core, came, app_ids)

    @post("/webhooks/apps/{app:str}/{provider:str}", status_code=202, opt={RAW_BODY: True}, request_max_body_size=_LARGEST)
    async def receive_for_app(self, *, request: Request[Any, Any, Any], core: TheCore, app: InPath, provider: InPath) -> Received:
        """Take a delivery for one app, signed with the secret of its webhook."""
        if provider not in PROVIDERS:
            raise Problem("not_found", f"There is no webhook of {provider!r}; there are {', '.join(PROVIDERS)}.")
        came = await _came(request, provider)
        app_id, secret = await service.app_and_secret(core, app)
        if not PROVIDERS[provider].is_signed(came, secret):
            raise await _rejected(core, came, [app_id], "signature")
        return await _receive(request, core, came, [app_id])

    @get("/apps/{app:str}/webhook", guards=[scope("write")])
    async def get_webhook(self, *, core: TheCore, principal: ThePrincipal, app: InPath) -> Webhook:
        """The app's webhook: whether it is there, and what to put in by hand where it is not."""
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            return await service.webhook(core, tx, row)

    @get("/apps/{app:str}/webhook/deliveries", guards=[scope("read")])
    async def list_deliveries(
        self, *, core: TheCore, principal: ThePrincipal, app: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> DeliveryPage:
        """What came, and what became of it; the newest first."""
        check_cursor(cursor, "dlv_")
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            return await service.page(session, row.id, limit, cursor)

    @post("/apps/{app:str}/webhook/deliveries/{delivery_id:str}/redeliver", status_code=202, guards=[scope("deploy")])
    async def redeliver(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, delivery_id: InPath
    ) -> Response[Delivery]:
        """Judge a kept delivery once more, by the settings as they are now."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "deploy")
            signed = await service.again(tx, row.id, delivery_id)
            made = await receive.again(core, tx, row.id, signed)
            headers = {"Location": f"/api/v1/deployments/{made.deployment_id}"} if made.deployment_id else {}
            return Answer(status=202, body=msgspec.json.encode(made), headers=headers)

        return reply(await once(core, request, principal, effect))


async def _came(request: Request[Any, Any, Any], provider: str) -> Came:
    return Came(provider=provider, headers={name.lower(): value for name, value in request.headers.items()}, body=await request.body())


async def _rejected(core: Core, came: Came, app_ids: list[str], why: str) -> Problem:
    found = service.headed(came)
    for app_id in app_ids:
        await core.rejections.note(core.db, app_id, provider=came.provider, delivery=found.delivery, event=found.event, why=why)
    return Problem("signature_invalid", f"The delivery was rejected: {why}.")


async def _receive(request: Request[Any, Any, Any], core: Core, came: Came, app_ids: list[str]) -> Received:
    found = service.headed(came)
    if not found.delivery:
        name = PROVIDERS[came.provider].delivery_header
        raise invalid(f"/{name}", "is missing: it tells a delivery from one that is sent again")
    said = _read(came)
    signed = receive.Signed(provider=came.provider, delivery=found.delivery, event=found.event, said=said)
    return Received(deliveries=[await request.app.state.judge.receive(core, app_id, signed) for app_id in app_ids])


def _read(came: Came) -> Said:
    try:
        return PROVIDERS[came.provider].read(came)
    except Unreadable as error:
        raise Problem("delivery_unreadable", f"The body could not be read: {error}.") from error
