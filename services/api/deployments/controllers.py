"""Routes of deployments."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post

from services.api.apps import lookup, plans
from services.api.apps import service as apps
from services.api.apps.dry_run import planned, tried
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.deployments import ending, rollback, service
from services.api.deployments.create import find_or_create
from services.api.deployments.follow import follow
from services.api.deployments.schemas import DeployBody, DeployBySlugBody, Deployment, DeploymentPage, RollbackBody
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.http.strict import Cursor, DryRun, Limit, Wait
from services.api.idempotency import Answer, Effect, once


class DeployController(Controller):
    tags = ("Deployments",)

    @post("/apps/{app:str}/deploy", status_code=202, guards=[scope("deploy")])
    async def deploy_app(
        self,
        *,
        request: Request[Any, Any, Any],
        core: Core,
        principal: Principal,
        app: str,
        data: DeployBody | None = None,
        wait: Wait = None,
        dry_run: DryRun = False,
    ) -> Response[Deployment]:
        """Deploy the app as it is configured, or with another image. With `wait` the answer is held until the end."""
        body = data or DeployBody()
        _check_source(body.ref)

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "deploy")
            apps.set_image(row, body.image, core.vault)
            return await _deploy(tx, core, principal, row, dry_run=dry_run)

        return await _answer(request, core, principal, effect, wait=wait, dry_run=dry_run)

    @post("/deploy/{slug:str}", status_code=202, guards=[scope("deploy")])
    async def deploy_by_slug(
        self,
        *,
        request: Request[Any, Any, Any],
        core: Core,
        principal: Principal,
        slug: str,
        data: DeployBySlugBody | None = None,
        wait: Wait = None,
        dry_run: DryRun = False,
    ) -> Response[Deployment]:
        """Deploy by slug; with `create` the project and the app are made when they are missing."""
        body = data or DeployBySlugBody()
        _check_source(body.ref)

        async def effect(tx: Tx) -> Answer:
            row = await find_or_create(tx, core, principal, slug, body)
            return await _deploy(tx, core, principal, row, dry_run=dry_run)

        return await _answer(request, core, principal, effect, wait=wait, dry_run=dry_run)

    @post("/apps/{app:str}/rollback", status_code=202, guards=[scope("deploy")])
    async def roll_back_app(
        self,
        *,
        request: Request[Any, Any, Any],
        core: Core,
        principal: Principal,
        app: str,
        data: RollbackBody | None = None,
        wait: Wait = None,
        dry_run: DryRun = False,
    ) -> Response[Deployment]:
        """Go back to a deployment that was live: its image, settings and env, as a new release."""
        body = data or RollbackBody()

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "deploy")
            is_busy = row.newest_status in {"queued", "building"}
            deployment = await rollback.roll_back(tx, core, row, body.deployment_id, principal.actor)
            if dry_run:
                return planned(tx, plans.deploy(row, deployment.image or "", is_busy=is_busy))
            headers = {"Location": deployment.links["self"]}
            return Answer(status=202, body=msgspec.json.encode(deployment), headers=headers, follow=deployment.id)

        return await _answer(request, core, principal, effect, wait=wait, dry_run=dry_run)


class DeploymentController(Controller):
    tags = ("Deployments",)

    @get("/apps/{app:str}/deployments", guards=[scope("read")])
    async def list_deployments(
        self, *, core: Core, principal: Principal, app: str, limit: Limit = 50, cursor: Cursor = None
    ) -> DeploymentPage:
        """The deployments of an app, the newest first."""
        if cursor is not None and not (cursor.isascii() and cursor.isdecimal()):
            raise Problem("invalid_cursor")
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            before = int(cursor) if cursor else None
            items, more = await service.page(session, principal, row.id, before=before, limit=limit, settings=core.settings)
        return DeploymentPage(items=items, next_cursor=str(more) if more is not None else None)

    @post("/deployments/{deployment_id:str}/cancel", status_code=200, guards=[scope("deploy")])
    async def cancel_deployment(
        self, *, request: Request[Any, Any, Any], core: Core, principal: Principal, deployment_id: str
    ) -> Response[Deployment]:
        """End a deployment that is under way, whatever it waits for. What served goes on."""

        async def effect(tx: Tx) -> Answer:
            deployment = await ending.cancel_one(tx, principal, deployment_id, core.settings)
            return Answer(status=200, body=msgspec.json.encode(deployment))

        return reply(await once(core, request, principal, effect))

    @get("/deployments/{deployment_id:str}", guards=[scope("read")])
    async def get_deployment(self, *, core: Core, principal: Principal, deployment_id: str) -> Deployment:
        """One deployment, with its phases, and why it failed if it did."""
        async with core.db.read() as session:
            return await service.get(session, principal, deployment_id, core.settings)


def _check_source(ref: object) -> None:
    """Only images are deployed by this version."""
    if ref is not msgspec.UNSET:
        raise Problem("source_not_available", "This app has no git repository to take ref from.")


async def _deploy(tx: Tx, core: Core, principal: Principal, app: AppRow, *, dry_run: bool) -> Answer:
    is_busy = app.newest_status in {"queued", "building"}
    deployment = await service.deploy(tx, app, principal.actor, core.settings)
    if dry_run:
        return planned(tx, plans.deploy(app, deployment.image or "", is_busy=is_busy))
    return Answer(
        status=202,
        body=msgspec.json.encode(deployment),
        headers={"Location": deployment.links["self"]},
        follow=deployment.id,
    )


async def _answer(
    request: Request[Any, Any, Any], core: Core, principal: Principal, effect: Effect, *, wait: int | None, dry_run: bool
) -> Response[Deployment]:
    if wait is None or dry_run:
        return await tried(core, request, principal, effect, dry_run=dry_run)
    answer = await once(core, request, principal, effect)
    if answer.follow is None:
        return reply(answer)
    headers = {**answer.headers, **({"Idempotent-Replay": "true"} if answer.replayed else {})}
    return await follow(core, principal, answer.follow, wait, headers)
