"""Routes of a project's outgoing hooks and of what they were told."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import JSONBody

from services.api.core import Core
from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, check_cursor
from services.api.idempotency import Answer, once
from services.api.notifications import address, deliveries, service
from services.api.notifications.schemas import (
    NewNotification,
    Notification,
    NotificationDelivery,
    NotificationDeliveryPage,
    NotificationPage,
    NotificationUpdate,
)

_ONE = "/{notification_id:str}"


class NotificationController(Controller):
    path = "/projects/{project_id:str}/notifications"
    tags = ("Notifications",)

    @get(guards=[scope("write")])
    async def list_notifications(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> NotificationPage:
        """The project's outgoing hooks, oldest first."""
        return await service.page(core, principal, project_id, limit, check_cursor(cursor, "ntf_"))

    @post(guards=[scope("write")])
    async def create_notification(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        project_id: InPath,
        data: JSONBody[NewNotification],
    ) -> Response[Notification]:
        """Have events sent to an address from now on: signed (Standard Webhooks), or as messages of Slack."""
        await service.check_standing(core.db, principal, project_id)
        await address.check(data.url, core.settings)

        async def effect(tx: Tx) -> Answer:
            made = await service.create(tx, principal, project_id, data)
            location = f"/api/v1/projects/{project_id}/notifications/{made.id}"
            return Answer(status=201, body=msgspec.json.encode(made), headers={"Location": location})

        return reply(await once(core, request, principal, effect))

    @get(_ONE, guards=[scope("write")])
    async def get_notification(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, notification_id: InPath
    ) -> Notification:
        """One hook, with the secret that its receiver checks signatures with."""
        row = await service.get(core.db, principal, project_id, notification_id)
        return service.to_view(row, service.target_of(core.vault, row))

    @put(_ONE, guards=[scope("write")])
    async def update_notification(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, notification_id: InPath, data: JSONBody[NotificationUpdate]
    ) -> Notification:
        """Change it; what waits to be told goes to the new address."""
        if not isinstance(data.url, msgspec.UnsetType):
            await service.get(core.db, principal, project_id, notification_id)
            await address.check(data.url, core.settings)
        async with core.db.begin() as tx:
            return await service.change(tx, await service.to_change(tx, principal, project_id, notification_id), data)

    @delete(_ONE, guards=[scope("write")])
    async def delete_notification(self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, notification_id: InPath) -> None:
        """Tell it nothing more, not even what waits."""
        async with core.db.begin() as tx:
            await service.remove(tx, await service.to_change(tx, principal, project_id, notification_id))

    @post(f"{_ONE}/test", status_code=202, guards=[scope("write")])
    async def test_notification(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, project_id: InPath, notification_id: InPath
    ) -> Response[NotificationDelivery]:
        """Send a test; its delivery tells what came of it."""

        async def effect(tx: Tx) -> Answer:
            hook = await service.to_change(tx, principal, project_id, notification_id)
            return Answer(status=202, body=msgspec.json.encode(await deliveries.test(tx, hook)))

        return _told(core, await once(core, request, principal, effect))

    @get(f"{_ONE}/deliveries", guards=[scope("write")])
    async def list_notification_deliveries(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        project_id: InPath,
        notification_id: InPath,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> NotificationDeliveryPage:
        """What it was told in the last 30 days and what is still tried, newest first."""
        row = await service.get(core.db, principal, project_id, notification_id)
        return await deliveries.page(core.db, row.id, limit, check_cursor(cursor, "ntd_"))

    @post(f"{_ONE}/deliveries/{{delivery_id:str}}/redeliver", status_code=202, guards=[scope("write")])
    async def redeliver_notification(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        project_id: InPath,
        notification_id: InPath,
        delivery_id: InPath,
    ) -> Response[NotificationDelivery]:
        """Send it again, with the same id."""

        async def effect(tx: Tx) -> Answer:
            hook = await service.to_change(tx, principal, project_id, notification_id)
            return Answer(status=202, body=msgspec.json.encode(await deliveries.again(tx, hook, delivery_id)))

        return _told(core, await once(core, request, principal, effect))


def _told(core: Core, answer: Answer) -> Response[NotificationDelivery]:
    core.notify.set()
    return reply(answer)
