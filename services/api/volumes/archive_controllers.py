"""Routes of a volume's archive and backups: its data out as tar, and back in."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.messages.archives import Filling
from services.api.apps import lookup
from services.api.apps.follow import until_settled
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.disks.room import ROOM
from services.api.http.bodies import RAW_BODY
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.hangups import while_there
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.replies import reply
from services.api.http.strict import Wait
from services.api.idempotency import Answer, Effect, once, replay
from services.api.uploads.bodies import ARCHIVES, chunks_of
from services.api.volumes import archive, backups, schedules, service, ticking
from services.api.volumes.models import VolumeRow
from services.api.volumes.restoring import begin, swap
from services.api.volumes.schemas import BackupPage, Volume

_TAR = "application/x-tar"


class ArchiveController(Controller):
    path = "/apps/{app:str}/volumes/{volume_id:str}/archive"
    tags = ("Volumes",)

    @get(guards=[scope("write")])
    async def get_volume_archive(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, volume_id: InPath
    ) -> Response[str]:
        """The volume's data as a tar archive. Of an app that runs it is what a power cut would leave: stop the app to have it at rest.

        An answer that breaks off before its end is no whole archive.
        """
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            volume = await _volume(tx.session, row, volume_id)
            tx.audit("volume.archived", volume.id, project_id=row.project_id)
        stream = archive.read(core, volume)
        content = _joined(await while_there(request, anext(stream)), stream)
        name = f'attachment; filename="{row.slug}-{volume.name}.tar"'
        # However the answer ends: a session that nobody reads would keep its place.
        closing = BackgroundTask(content.aclose)
        return Stream(content, media_type=_TAR, headers={"Content-Disposition": name}, background=closing)  # type: ignore[return-value]

    @put(guards=[scope("write")], opt={RAW_BODY: True, ROOM: True}, request_max_body_size=None)
    async def restore_volume(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, volume_id: InPath, wait: Wait = None
    ) -> Response[Volume]:
        """Replace the volume's data by a tar archive, compressed or not, all of it or nothing.

        The app goes on while the archive comes, and is restarted once all of it is there: with `wait`, 200 when it runs with it.
        """
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            volume = await _volume(tx.session, row, volume_id)
        _check_body(request)
        effect = await _filled(core, principal, volume, chunks_of(request))
        async with core.db.begin() as tx:
            answer = await effect(tx)
        return await _settled(core, answer, wait)


class BackupController(Controller):
    path = "/apps/{app:str}/volumes/{volume_id:str}/backups"
    tags = ("Volumes",)

    @get(guards=[scope("read")])
    async def list_volume_backups(self, *, core: TheCore, principal: ThePrincipal, app: InPath, volume_id: InPath) -> BackupPage:
        """The volume's backups on the server, the newest first."""
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            volume = await service.get(session, row, volume_id)
        return BackupPage(items=await asyncio.to_thread(backups.listed, backups.folder(core.settings.home, volume)))

    @post(status_code=202, guards=[scope("write")], opt={ROOM: True})
    async def back_up_volume(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, volume_id: InPath, wait: Wait = None
    ) -> Response[Volume]:
        """Back the volume up now, to the server. With `wait`, 200 once the backup is whole."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            volume = await _volume(tx.session, row, volume_id)
            if volume.backup is None:
                await asyncio.to_thread(backups.check_room, backups.folder(core.settings.home, volume))
            schedules.ask(volume, time.time())
            tx.audit("volume.backup_asked", volume.id, project_id=row.project_id)
            view = service.to_view(volume, row)
            return Answer(
                status=202, body=msgspec.json.encode(view), headers={"Location": view.links["self"]}, follow=volume.backup_last or ""
            )

        answer = await once(core, request, principal, effect)
        view = msgspec.json.decode(answer.body, type=Volume)
        if wait is None or not await ticking.until_noted(core, view.id, answer.follow or "", wait):
            return reply(answer)
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, view.app_id)
            now = service.to_view(await service.get(session, row, view.id), row)
        if now.last_backup_error:
            raise Problem("runtime_unavailable", f"The backup failed: {now.last_backup_error}")
        answer.status, answer.body = 200, msgspec.json.encode(now)
        return reply(answer)

    @post("/{backup:str}/restore", status_code=200, guards=[scope("write")], opt={ROOM: True})
    async def restore_volume_backup(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        volume_id: InPath,
        backup: InPath,
        wait: Wait = None,
    ) -> Response[Volume]:
        """Replace the volume's data by one of its backups, as restoreVolume does by an archive."""
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            volume = await _volume(tx.session, row, volume_id)
        answer = await replay(core, request, principal)
        if answer is None:
            path = backups.path_of(backups.folder(core.settings.home, volume), backup)
            answer = await once(core, request, principal, await _filled(core, principal, volume, backups.content(path)))
        return await _settled(core, answer, wait)

    @delete("/{backup:str}", guards=[scope("write")])
    async def delete_volume_backup(self, *, core: TheCore, principal: ThePrincipal, app: InPath, volume_id: InPath, backup: InPath) -> None:
        """Delete one of the volume's backups from the server. Nothing brings it back."""
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            volume = await service.get(tx.session, row, volume_id)
            service.record(tx, volume, "volume.backup_deleted", f"The backup {backup} of the volume {volume.name} was deleted.")
            await asyncio.to_thread(backups.remove, backups.folder(core.settings.home, volume), backup)


async def _filled(core: Core, principal: Principal, volume: VolumeRow, chunks: AsyncGenerator[bytes]) -> Effect:
    """What makes the copy that is there then the volume's, with the revision at which what runs has it as `follow`."""

    async def reserve() -> Filling:
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, volume.app_id, "write")
            return begin(row, await _volume(tx.session, row, volume.id))

    async with aclosing(chunks):
        copy, restored = await archive.write(core, volume, chunks, reserve)

    async def effect(tx: Tx) -> Answer:
        row = await lookup.to_change(tx, principal, volume.app_id, "write")
        found = await _volume(tx.session, row, volume.id)
        revision = await swap(tx, row, found, copy, restored)
        view = service.to_view(found, row)
        follow = str(revision) if revision is not None else None
        return Answer(
            status=202 if follow else 200, body=msgspec.json.encode(view), headers={"Location": view.links["self"]}, follow=follow
        )

    return effect


async def _settled(core: Core, answer: Answer, wait: int | None) -> Response[Volume]:
    """200 once what runs has it, within `wait`."""
    app_id = msgspec.json.decode(answer.body, type=Volume).app_id
    if answer.follow and wait is not None and await until_settled(core, app_id, int(answer.follow), wait):
        answer.status = 200
    return reply(answer)


async def _volume(session: AsyncSession, app: AppRow, volume_id: str) -> VolumeRow:
    volume = await service.get(session, app, volume_id)
    if volume.purging:
        raise Problem("volume_purging", f"The data of the volume {volume.name} is being destroyed.")
    return volume


def _check_body(request: Request[Any, Any, Any]) -> None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {"", *ARCHIVES}:
        raise Problem("unsupported_media_type", f"The body came as {media!r}; this route takes a tar archive.")
    if request.content_length == 0:
        raise Problem("empty_upload", hint="Send a tar archive as the body.")


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk
