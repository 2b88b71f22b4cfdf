"""Routes of deployments."""

from functools import partial
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import JSONBody

from libs.common.states import Intent
from services.api.apps import lookup, plans
from services.api.apps import service as apps
from services.api.apps.dry_run import planned, tried
from services.api.apps.grammar import check_ref
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.deployments import ending, rollback, service
from services.api.deployments.create import find_or_create
from services.api.deployments.follow import follow
from services.api.deployments.schemas import DeployBody, DeployBySlugBody, Deployment, DeploymentPage, RollbackBody
from services.api.deployments.source import Asked, check_ref_alone
from services.api.disks.room import ROOM
from services.api.http import strict
from services.api.http.bodies import RAW_BODY
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.http.strict import Cursor, DryRun, Limit, Wait
from services.api.idempotency import Answer, Effect, once
from services.api.uploads import bodies
from services.api.uploads.spool import Upload

_LONGEST_NUMBER = 9
"""Digits of a deployment's number that a database takes."""


class DeployController(Controller):
    tags = ("Deployments",)
    opt = {RAW_BODY: True}  # noqa: RUF012 - Litestar's own form
    request_max_body_size = None

    @post("/apps/{app:str}/deploy", status_code=202, guards=[scope("deploy")], opt={ROOM: True})
    async def deploy_app(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        wait: Wait = None,
        dry_run: DryRun = False,
    ) -> Response[Deployment]:
        """Deploy the app as it is configured, with another image, or with the one that is the body: what docker save writes.

        With `wait` the answer is held until the end.
        """
        came = await bodies.read(request, core.spool, partial(_check, core, principal, app))
        if isinstance(came, Upload):
            return await _deploy_upload(request, core, principal, app, came, wait=wait, dry_run=dry_run)
        body = strict.decode(came, DeployBody) if came else DeployBody()
        asked = _asked(body)

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "deploy")
            apps.set_image(row, body.image, core.vault, core.settings)
            return await _deploy(tx, core, principal, row, dry_run=dry_run, asked=asked)

        return await _answer(request, core, principal, effect, came, wait=wait, dry_run=dry_run)

    @post("/deploy/{slug:str}", status_code=202, guards=[scope("deploy")], opt={ROOM: True})
    async def deploy_by_slug(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        slug: InPath,
        wait: Wait = None,
        dry_run: DryRun = False,
    ) -> Response[Deployment]:
        """Deploy by slug, also with what docker save writes as the body; with `create` project and app are made when missing."""
        came = await bodies.read(request, core.spool, partial(_check, core, principal, slug))
        if isinstance(came, Upload):
            return await _deploy_upload(request, core, principal, slug, came, wait=wait, dry_run=dry_run)
        body = strict.decode(came, DeployBySlugBody) if came else DeployBySlugBody()
        asked = _asked(body)

        async def effect(tx: Tx) -> Answer:
            row = await find_or_create(tx, core, principal, slug, body)
            return await _deploy(tx, core, principal, row, dry_run=dry_run, asked=asked)

        return await _answer(request, core, principal, effect, came, wait=wait, dry_run=dry_run)

    @post("/apps/{app:str}/upload-image", status_code=202, guards=[scope("deploy")], opt={ROOM: True})
    async def upload_image(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        wait: Wait = None,
        dry_run: DryRun = False,
    ) -> Response[Deployment]:
        """Deploy the image that is the body: what docker save writes. Env and settings stay as they are."""
        came = await bodies.read(request, core.spool, partial(_check, core, principal, app), archive_only=True)
        if not isinstance(came, Upload):
            raise Problem("empty_upload")
        return await _deploy_upload(request, core, principal, app, came, wait=wait, dry_run=dry_run)

    @post("/apps/{app:str}/rollback", status_code=202, guards=[scope("deploy")])
    async def roll_back_app(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        data: JSONBody[RollbackBody | None] = None,
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
        self, *, core: TheCore, principal: ThePrincipal, app: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> DeploymentPage:
        """The deployments of an app, the newest first."""
        if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _LONGEST_NUMBER):
            raise Problem("invalid_cursor")
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            before = int(cursor) if cursor else None
            items, more = await service.page(session, principal, row.id, before=before, limit=limit, settings=core.settings)
        return DeploymentPage(items=items, next_cursor=str(more) if more is not None else None)

    @post("/deployments/{deployment_id:str}/cancel", status_code=200, guards=[scope("deploy")])
    async def cancel_deployment(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, deployment_id: InPath
    ) -> Response[Deployment]:
        """End a deployment that is under way, whatever it waits for. What served goes on."""

        async def effect(tx: Tx) -> Answer:
            deployment = await ending.cancel_one(tx, principal, deployment_id, core.settings)
            return Answer(status=200, body=msgspec.json.encode(deployment))

        return reply(await once(core, request, principal, effect))

    @get("/deployments/{deployment_id:str}", guards=[scope("read")])
    async def get_deployment(self, *, core: TheCore, principal: ThePrincipal, deployment_id: InPath) -> Deployment:
        """One deployment, with its phases, and why it failed if it did."""
        async with core.db.read() as session:
            return await service.get(session, principal, deployment_id, core.settings)


async def _check(core: Core, principal: Principal, app: str) -> None:
    """Whoever may not deploy the app hears so before the upload is read. The transaction asks again."""
    async with core.db.read() as session:
        row, having = await lookup.to_read(session, principal, app)
        having.need("deploy")
    if row.intent == Intent.DELETED:
        raise Problem("app_deleting", f"{row.slug} is being deleted.")


def _asked(body: DeployBody | DeployBySlugBody) -> Asked:
    if isinstance(body.ref, msgspec.UnsetType):
        return Asked()
    check_ref_alone(body.image)
    return Asked(ref=check_ref(body.ref, "/ref"))


async def _deploy_upload(
    request: Request[Any, Any, Any], core: Core, principal: Principal, app: str, upload: Upload, *, wait: int | None, dry_run: bool
) -> Response[Deployment]:
    """One transaction for an upload that is in the spool; it goes from there unless the transaction made its deployment."""

    async def effect(tx: Tx) -> Answer:
        row = await lookup.to_change(tx, principal, app, "deploy")
        return await _deploy(tx, core, principal, row, dry_run=dry_run, upload=upload.deployment_id)

    with upload:
        if dry_run:
            return await tried(core, request, principal, effect, dry_run=True)
        answer = await once(core, request, principal, effect, upload.digest)
        if not answer.replayed:
            upload.keep()
    return await _follow(core, principal, answer, wait)


async def _deploy(
    tx: Tx, core: Core, principal: Principal, app: AppRow, *, dry_run: bool, upload: str | None = None, asked: Asked | None = None
) -> Answer:
    is_busy = app.newest_status in {"queued", "building"}
    deployment = await service.deploy(tx, app, principal.actor, core.settings, upload=upload, source=asked)
    if dry_run:
        return planned(tx, plans.deploy(app, deployment.image or "", is_busy=is_busy, source=deployment.source, ref=deployment.ref))
    return Answer(
        status=202,
        body=msgspec.json.encode(deployment),
        headers={"Location": deployment.links["self"]},
        follow=deployment.id,
    )


async def _answer(
    request: Request[Any, Any, Any],
    core: Core,
    principal: Principal,
    effect: Effect,
    body: bytes | None = None,
    *,
    wait: int | None,
    dry_run: bool,
) -> Response[Deployment]:
    if dry_run:
        return await tried(core, request, principal, effect, dry_run=True)
    return await _follow(core, principal, await once(core, request, principal, effect, body), wait)


async def _follow(core: Core, principal: Principal, answer: Answer, wait: int | None) -> Response[Deployment]:
    if wait is None or answer.follow is None:
        return reply(answer)
    headers = {**answer.headers, **({"Idempotent-Replay": "true"} if answer.replayed else {})}
    return await follow(core, principal, answer.follow, wait, headers)
