"""Routes of volumes: those of an app, and all of a project with what its deleted apps left."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import JSONBody, Parameter
from sqlalchemy import select

from services.api.apps import lookup, plans
from services.api.apps.dry_run import planned, undone
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import invalid, not_found
from services.api.http.replies import reply
from services.api.http.strict import Cursor, DryRun, Limit, Wait, check_cursor
from services.api.idempotency import Answer, once
from services.api.projects.service import to_change as project_to_change
from services.api.projects.service import to_read as project_to_read
from services.api.volumes import service
from services.api.volumes.models import VolumeRow
from services.api.volumes.purging import purge as begin_purge
from services.api.volumes.purging import until_purged
from services.api.volumes.schemas import NewVolume, Volume, VolumeGone, VolumePage, VolumeUpdate

Purge = Annotated[bool, Parameter(description="Destroy the data; without it the data is kept.")]
Name = Annotated[str | None, Parameter(max_length=255, description="The volume's name.")]
_PREFIX = "vol_"


class VolumeController(Controller):
    path = "/apps/{app:str}/volumes"
    tags = ("Volumes",)

    @get(guards=[scope("read")])
    async def list_volumes(
        self, *, core: TheCore, principal: ThePrincipal, app: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> VolumePage:
        """The app's volumes, oldest first, also those that no deploy mounts any more and whose data is kept."""
        check_cursor(cursor, _PREFIX)
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            rows = await service.page(session, row, limit, cursor)
        return _page([service.to_view(one, row) for one in rows], limit)

    @post(guards=[scope("write")])
    async def create_volume(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, data: JSONBody[NewVolume]
    ) -> Response[Volume]:
        """Have a volume from the next deploy on, new or with the data that was kept."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            view = service.to_view(await service.create(tx, row, data), row)
            return Answer(status=201, body=msgspec.json.encode(view), headers={"Location": view.links["self"]})

        return reply(await once(core, request, principal, effect))

    @delete(status_code=200, guards=[scope("write")])
    async def delete_volume_by_name(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        name: Name = None,
        purge: Purge = False,
        dry_run: DryRun = False,
        wait: Wait = None,
    ) -> Response[Volume]:
        """As deleteVolume, by name."""
        return await _delete(core, principal, app, None, name, purge=purge, dry_run=dry_run, wait=wait)

    @get("/{volume_id:str}", guards=[scope("read")])
    async def get_volume(self, *, core: TheCore, principal: ThePrincipal, app: InPath, volume_id: InPath) -> Volume:
        """One volume."""
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            return service.to_view(await service.get(session, row, volume_id), row)

    @put("/{volume_id:str}", guards=[scope("write")])
    async def update_volume(
        self, *, core: TheCore, principal: ThePrincipal, app: InPath, volume_id: InPath, data: JSONBody[VolumeUpdate]
    ) -> Volume:
        """Merge settings of a volume. Where it stands, and whether it is shared, changes with the next deploy."""
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            volume = await service.get(tx.session, row, volume_id)
            await service.update(tx, row, volume, data)
            return service.to_view(volume, row)

    @delete("/{volume_id:str}", status_code=200, guards=[scope("write")])
    async def delete_volume(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        volume_id: InPath,
        purge: Purge = False,
        dry_run: DryRun = False,
        wait: Wait = None,
    ) -> Response[Volume]:
        """Detach it: the next deploy does not mount it, and its data is kept. With `purge` the data goes, of what nothing mounts."""
        return await _delete(core, principal, app, volume_id, None, purge=purge, dry_run=dry_run, wait=wait)


class ProjectVolumeController(Controller):
    path = "/projects/{project_id:str}/volumes"
    tags = ("Volumes",)

    @get(guards=[scope("read")])
    async def list_project_volumes(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, limit: Limit = 50, cursor: Cursor = None
    ) -> VolumePage:
        """Every volume of the project, also those of its deleted apps: their data is kept until somebody purges it."""
        check_cursor(cursor, _PREFIX)
        async with core.db.read() as session:
            project = (await project_to_read(session, principal, project_id)).project
            query = select(VolumeRow, AppRow).join(AppRow, AppRow.id == VolumeRow.app_id).where(VolumeRow.project_id == project.id)
            query = query.where(VolumeRow.id > cursor) if cursor else query
            found = (await session.execute(query.order_by(VolumeRow.id).limit(limit + 1))).all()
        return _page([service.to_view(volume, app) for volume, app in found], limit)

    @delete("/{volume_id:str}", status_code=202, guards=[scope("write")])
    async def purge_project_volume(
        self, *, core: TheCore, principal: ThePrincipal, project_id: InPath, volume_id: InPath, wait: Wait = None
    ) -> Response[Volume]:
        """Destroy the data of a volume that a deleted app left. With `wait`, 200 once it is gone."""
        async with core.db.begin() as tx:
            project = await project_to_change(tx, principal, project_id, "write")
            query = select(VolumeRow, AppRow).join(AppRow, AppRow.id == VolumeRow.app_id)
            query = query.where(VolumeRow.id == volume_id, VolumeRow.project_id == project.id, AppRow.gone_at.is_not(None))
            found = (await tx.session.execute(held(query))).one_or_none()
            if found is None:
                raise not_found("volume of a deleted app", volume_id)
            volume, app = found
            await begin_purge(tx, app, volume)
        return await _purged(core, service.to_view(volume, app), wait)


async def _delete(
    core: Core, principal: Principal, app: str, volume_id: str | None, name: str | None, *, purge: bool, dry_run: bool, wait: int | None
) -> Response[Volume]:
    async def effect(tx: Tx) -> Answer:
        row = await lookup.to_change(tx, principal, app, "write")
        if volume_id is None and name is None:
            raise invalid("/name", "is missing: say which volume")
        volume = await service.get(tx.session, row, volume_id, name)
        await (begin_purge if purge else service.detach)(tx, row, volume)
        if dry_run:
            return planned(tx, plans.remove_volume(volume.name, volume.mount_path, purge=purge))
        return Answer(status=202 if purge else 200, body=msgspec.json.encode(service.to_view(volume, row)))

    if dry_run:
        return reply(await undone(core, effect))
    async with core.db.begin() as tx:
        done = await effect(tx)
    if not purge:
        return reply(done)
    return await _purged(core, msgspec.json.decode(done.body, type=Volume), wait)


async def _purged(core: Core, view: Volume, wait: int | None) -> Response[Any]:
    if wait and await until_purged(core, view.id, wait):
        return reply(Answer(status=200, body=msgspec.json.encode(VolumeGone(id=view.id, name=view.name, purged=True))))
    return reply(Answer(status=202, body=msgspec.json.encode(view), headers={"Location": view.links["self"]}))


def _page(views: list[Volume], limit: int) -> VolumePage:
    items = views[:limit]
    return VolumePage(items=items, next_cursor=items[-1].id if len(views) > limit else None)
