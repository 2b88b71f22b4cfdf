"""Routes of apps."""

import time
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import JSONBody, Parameter

from services.api.apps import follow, lookup, plans, service
from services.api.apps.desired import host
from services.api.apps.dry_run import planned, tried
from services.api.apps.models import AppRow
from services.api.apps.schemas import App, AppGone, AppPage, AppUpdate, NewApp
from services.api.apps.view import etag, stale_at, to_view
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.disks.room import ROOM
from services.api.git import connecting
from services.api.http import matching
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.kept import Kept
from services.api.http.matching import IfMatch
from services.api.http.principal import Principal
from services.api.http.replies import reply
from services.api.http.strict import Cursor, DryRun, Limit, Wait, check_cursor
from services.api.idempotency import Answer
from services.api.projects.service import to_change as project_to_change
from services.api.projects.service import to_read as project_to_read
from services.api.registries.service import check_usable
from services.api.volumes.service import names as volume_names

PurgeVolumes = Annotated[bool, Parameter(description="Destroy the data of the app's volumes too.")]


class ProjectAppController(Controller):
    path = "/projects/{project_id:str}/apps"
    tags = ("Apps",)

    @get(guards=[scope("read")])
    async def list_project_apps(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> Response[AppPage]:
        """The apps of one project, oldest first."""
        async with core.db.read() as session:
            await project_to_read(session, principal, project_id)
        return await _page(core, principal, limit, cursor, project_id)

    @post(guards=[scope("write")], opt={ROOM: True})
    async def create_app(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        project_id: InPath,
        data: JSONBody[NewApp],
        dry_run: DryRun = False,
    ) -> Response[App]:
        """Make an app. Nothing runs until it is deployed."""

        async def effect(tx: Tx) -> Answer:
            project = await project_to_change(tx, principal, project_id, "write")
            await check_usable(tx, principal, data.registry_id)
            app = await service.create(tx, core.vault, project.id, data, core.settings)
            await connecting.connect(tx, core.vault, app, principal, None)
            if dry_run:
                return planned(tx, plans.create(app.slug, app.image, host(app.slug, core.settings.base_domain), app.git_repo_url))
            view = to_view(app, core.settings, time.time())
            return Answer(status=201, body=msgspec.json.encode(view), headers=headers_of(app))

        return await tried(core, request, principal, effect, dry_run=dry_run)


class AppController(Controller):
    path = "/apps"
    tags = ("Apps",)

    @get(guards=[scope("read")])
    async def list_apps(self, *, core: TheCore, principal: ThePrincipal, limit: Limit = 50, cursor: Cursor = None) -> Response[AppPage]:
        """Every app that you may see, oldest first."""
        return await _page(core, principal, limit, cursor, None)

    @get("/{app:str}", guards=[scope("read")])
    async def get_app(self, *, core: TheCore, principal: ThePrincipal, app: InPath) -> Response[App]:
        """One app, by id or slug."""
        key = ("app", principal, app)
        kept = core.fresh.look(key)
        if isinstance(kept, Kept):
            return kept
        mark = core.fresh.now()
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
        now = time.time()
        answer = Kept(msgspec.json.encode(to_view(row, core.settings, now)), {"ETag": etag(row)})
        core.fresh.keep(key, answer, mark, until=_until(row, core, now))
        return answer

    @put("/{app:str}", guards=[scope("write")])
    async def update_app(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        data: JSONBody[AppUpdate],
        dry_run: DryRun = False,
        if_match: IfMatch = None,
    ) -> Response[App]:
        """Merge settings. Replicas and limits are applied at once; the rest waits for the next deploy."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            matching.check(if_match, etag(row))
            await check_usable(tx, principal, data.registry_id, row.registry_id)
            repo_before = row.git_repo_url
            changed = await service.update(tx, core.vault, row, data, core.settings)
            await connecting.connect(tx, core.vault, row, principal, repo_before)
            if dry_run:
                return planned(tx, plans.update(row, changed))
            view = to_view(row, core.settings, time.time())
            return Answer(status=200, body=msgspec.json.encode(view), headers={"ETag": etag(row)})

        return await tried(core, request, principal, effect, dry_run=dry_run)

    @delete("/{app:str}", status_code=202, guards=[scope("write")])
    async def delete_app(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        purge_volumes: PurgeVolumes = False,
        dry_run: DryRun = False,
        wait: Wait = None,
        if_match: IfMatch = None,
    ) -> Response[App]:
        """Remove the app with its containers, routes and images, and with `purge_volumes` the data of its volumes.

        With `wait`, 200 once nothing of it is left.
        """
        async with core.db.begin() as tx:
            row = await lookup.to_delete(tx, principal, app, "write")
            matching.check(if_match, etag(row))
            if dry_run:
                kept = await volume_names(tx, row)
                return reply(Answer(status=200, body=msgspec.json.encode(plans.remove(row, kept, purge=purge_volumes))))
            await service.remove(tx, row, purge=purge_volumes)
        at = await follow.until_gone(core, row.id, wait) if wait else None
        if at is not None:
            return reply(Answer(status=200, body=msgspec.json.encode(AppGone(id=row.id, slug=row.slug, deleted_at=at))))
        view = to_view(row, core.settings, time.time())
        return reply(Answer(status=202, body=msgspec.json.encode(view), headers=headers_of(row)))


def headers_of(app: AppRow) -> dict[str, str]:
    return {"Location": f"/api/v1/apps/{app.id}", "ETag": etag(app)}


async def _page(core: Core, principal: Principal, limit: int, cursor: str | None, project_id: str | None) -> Response[AppPage]:
    check_cursor(cursor, lookup.ID_PREFIX)
    key = ("apps", principal, limit, cursor, project_id)
    kept = core.fresh.look(key)
    if isinstance(kept, Kept):
        return kept
    mark = core.fresh.now()
    query = lookup.of(principal).order_by(AppRow.id).limit(limit + 1)
    query = query.where(AppRow.id > cursor) if cursor else query
    query = query.where(AppRow.project_id == project_id) if project_id else query
    async with core.db.read() as session:
        rows = list((await session.execute(query)).scalars())
    now = time.time()
    items = [to_view(row, core.settings, now) for row in rows[:limit]]
    answer = Kept(msgspec.json.encode(AppPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)), {})
    core.fresh.keep(key, answer, mark, until=min((_until(row, core, now) for row in rows), default=float("inf")))
    return answer


def _until(app: AppRow, core: Core, now: float) -> float:
    """Until when an answer may be kept: `stale` changes by itself."""
    at = stale_at(app, core.settings)
    return at if at > now else float("inf")
