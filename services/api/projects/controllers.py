"""Routes of projects and their members."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import JSONBody, Parameter
from sqlalchemy import func, select

from services.api.apps.models import AppRow
from services.api.apps.service import all_in
from services.api.apps.service import remove as remove_app
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.disks.room import ROOM
from services.api.http import matching
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.matching import IfMatch
from services.api.http.problems import Problem, not_found
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, Wait, check_cursor
from services.api.idempotency import Answer, once
from services.api.projects import service
from services.api.projects.access import OWNER, Standing, sees_everything
from services.api.projects.models import ProjectRow
from services.api.projects.schemas import (
    Member,
    MemberPage,
    NewProject,
    NewRole,
    Project,
    ProjectGone,
    ProjectPage,
    ProjectUpdate,
)
from services.api.volumes.purging import check_or_purge

Cascade = Annotated[bool, Parameter(description="Delete the project's apps too.")]
PurgeVolumes = Annotated[bool, Parameter(description="Destroy the data of the project's volumes too.")]


class ProjectController(Controller):
    path = "/projects"
    tags = ("Projects",)

    @get(guards=[scope("read")])
    async def list_projects(self, *, core: TheCore, principal: ThePrincipal, limit: Limit = 50, cursor: Cursor = None) -> ProjectPage:
        """The projects that you own or are a member of, oldest first; an admin sees all."""
        query = service.of(principal).order_by(ProjectRow.id).limit(limit + 1)
        async with core.db.read() as session:
            rows = (await session.execute(query.where(ProjectRow.id > cursor) if check_cursor(cursor, "prj_") else query)).all()
        items = [service.to_view(service.seen(principal, row), core.settings) for row in rows[:limit]]
        return ProjectPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)

    @post(guards=[scope("write")], opt={ROOM: True})
    async def create_project(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, data: JSONBody[NewProject]
    ) -> Response[Project]:
        """Make a project of your own."""

        async def effect(tx: Tx) -> Answer:
            project = await service.create(tx, principal, data.name)
            view = service.to_view(service.Seen(project, Standing(role=OWNER, is_admin=False), service.NOTHING), core.settings)
            headers = {"Location": f"/api/v1/projects/{project.id}", "ETag": service.etag(project)}
            return Answer(status=201, body=msgspec.json.encode(view), headers=headers)

        return reply(await once(core, request, principal, effect))

    @get("/{project_id:str}", guards=[scope("read")])
    async def get_project(self, *, core: TheCore, principal: ThePrincipal, project_id: InPath) -> Response[Project]:
        """One project."""
        async with core.db.read() as session:
            seen = await service.to_read(session, principal, project_id)
        return Response(service.to_view(seen, core.settings), headers={"ETag": service.etag(seen.project)})

    @put("/{project_id:str}", guards=[scope("write")])
    async def update_project(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, data: JSONBody[ProjectUpdate], if_match: IfMatch = None
    ) -> Response[Project]:
        """Rename a project; an admin sets its quotas too."""
        async with core.db.begin() as tx:
            project = await service.to_change(tx, principal, project_id, "write")
            matching.check(if_match, service.etag(project))
            seen = await service.to_read(tx.session, principal, project_id)
            service.update(tx, project, service.to_view(seen, core.settings), data, is_admin=principal.is_admin)
            return Response(service.to_view(seen, core.settings), headers={"ETag": service.etag(project)})

    @delete("/{project_id:str}", status_code=202, guards=[scope("write")])
    async def delete_project(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        project_id: InPath,
        cascade: Cascade = False,
        purge_volumes: PurgeVolumes = False,
        wait: Wait = None,
    ) -> Response[ProjectGone]:
        """Delete a project: 200 when nothing of it is left, 202 while its apps are being removed."""
        async with core.db.begin() as tx:
            project, having = await service.locked(tx, principal, project_id)
            having.need_owner()
            apps = await all_in(tx, project_id)
            if apps and not cascade:
                raise Problem("project_not_empty", f"The project has {len(apps)} apps.")
            await check_or_purge(tx, project_id, purge=purge_volumes)
            for app in apps:
                await remove_app(tx, app, purge=purge_volumes)
            await service.remove(tx, project)
        left = await _until_empty(core, project_id, wait if apps and wait else 0)
        body = ProjectGone(id=project_id, apps_left=left)
        return reply(Answer(status=202 if left else 200, body=msgspec.json.encode(body)))


class MemberController(Controller):
    path = "/projects/{project_id:str}/members"
    tags = ("Projects",)

    @get(guards=[scope("read")])
    async def list_members(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> MemberPage:
        """Who may work in the project, besides its owner."""
        async with core.db.read() as session:
            await service.to_read(session, principal, project_id)
            found = await service.members(session, project_id, limit + 1, check_cursor(cursor, "usr_"))
        return MemberPage(items=found[:limit], next_cursor=found[limit - 1].user_id if len(found) > limit else None)

    @put("/{user_id:str}", guards=[scope("write")])
    async def set_member(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        project_id: InPath,
        user_id: InPath,
        data: JSONBody[NewRole],
    ) -> Member:
        """Add a member, named by id or email, or change a member's role."""
        if "@" in user_id and not sees_everything(principal):
            await request.app.state.throttle.count_lookup(principal.user_id)
        async with core.db.begin() as tx:
            project, having = await service.locked(tx, principal, project_id)
            having.need_owner()
            member = await service.set_member(tx, project, user_id, data.role)
            if member is None:
                tx.audit("project.member_unknown", project_id, project_id=project_id, outcome="refused", detail=user_id)
        if member is None:
            raise not_found("user", user_id)
        return member

    @delete("/{user_id:str}", guards=[scope("write")])
    async def remove_member(self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, user_id: InPath) -> None:
        """Remove a member from the project."""
        async with core.db.begin() as tx:
            project, having = await service.locked(tx, principal, project_id)
            if user_id != principal.user_id:
                having.need_owner()
            await service.remove_member(tx, project, user_id)


async def _until_empty(core: Core, project_id: str, seconds: float) -> int:
    """How many apps are left, at the latest after `seconds`."""
    query = select(func.count()).select_from(AppRow).where(AppRow.project_id == project_id, AppRow.gone_at.is_(None))
    left = 0

    async def empty() -> bool | None:
        nonlocal left
        async with core.db.connect() as connection:
            left = (await connection.execute(query)).scalar_one()
        return left == 0 or None

    await core.wakes.until("*", seconds, empty)
    return left
