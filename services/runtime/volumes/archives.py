"""The sessions `archive` and `restore`: a volume's content between the engine and the bus, and never on a disk of ours."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import msgspec
import structlog

from libs.common import disks
from libs.common.engine import carriers, volumes
from libs.common.engine.errors import Conflict, EngineAway, EngineError
from libs.common.live.channel import Channel, Over
from libs.common.live.frames import Frame
from libs.common.messages.archives import BYTES, DONE, END, FAILED, FILL, REFUSED, SLOW, Filling, Restored, VolumeSession
from libs.common.messages.sessions import LEFT, Ended
from services.runtime.fleet import Fleet
from services.runtime.sessions import Kind, Refusal, Session
from services.runtime.volumes.mounting import labels, volume_name
from services.runtime.volumes.pace import Pace, TooSlow
from services.runtime.volumes.unpacking import ArchiveRefused, ArchiveWaits, Unpacked
from services.runtime.world import World

_TAIL = 1024
"""Zeros that end every tar archive: without them the engine broke off."""
_KEPT_FREE = 0.05
_CHECK_EVERY = 64 * 1024 * 1024
_READS, _RESTORES = 32, 16
"""At once, of all apps; a quarter of them of one project."""

_Serve = Callable[[World, str, VolumeSession, Channel], Awaitable[Ended]]

logger = structlog.get_logger()


def archive_kind(fleet: Fleet) -> Kind:
    return Kind(open=partial(_open, fleet, read), most=2, most_in_all=_READS, group=partial(_project, fleet))


def restore_kind(fleet: Fleet) -> Kind:
    return Kind(
        open=partial(_open, fleet, restore),
        most=1,
        most_in_all=_RESTORES,
        group=partial(_project, fleet),
        recover=partial(_recover, fleet),
    )


def _project(fleet: Fleet, app_id: str) -> str:
    desired = fleet.world.wants.entries.get(app_id)
    return desired.project_id if desired else app_id


async def _open(fleet: Fleet, serve: _Serve, app_id: str, raw: msgspec.Raw) -> Session:
    if not fleet.active or fleet.lookout.trouble:
        raise Refusal("runtime_unavailable", "The runtime does not reach the Docker Engine now.")
    asked = msgspec.json.decode(raw, type=VolumeSession)
    return Session(serve=partial(_served, fleet.world, serve, app_id, asked))


async def _served(world: World, serve: _Serve, app_id: str, asked: VolumeSession, channel: Channel) -> Ended:
    try:
        return await serve(world, app_id, asked, channel)
    except ArchiveRefused as error:
        return Ended(reason=REFUSED, detail=str(error))
    except TooSlow as error:
        return Ended(reason=SLOW, detail=str(error))
    except ArchiveWaits as error:
        return Ended(reason=FAILED, detail=str(error))
    except (EngineError, EngineAway) as error:
        logger.warning("runtime.volume_session_failed", volume=asked.volume, error=str(error))
        return Ended(reason=FAILED, detail=str(error))


async def _recover(fleet: Fleet) -> None:
    """Let go of what a process before this one held, and remove what it was filling: nobody was told that it is whole."""
    world = fleet.world
    if not fleet.active:
        return
    try:
        await carriers.sweep(world.engine, world.place.instance, world.carriers, older_than=0)
        for name in world.filling.all():
            await _drop(world, name)
    except (EngineError, EngineAway) as error:
        logger.warning("runtime.volumes_not_recovered", error=str(error))  # the next restore of each does it


async def read(world: World, app_id: str, asked: VolumeSession, channel: Channel) -> Ended:
    """Send the copy as it is at each moment that it is read: what an app writes meanwhile is in it or not, as after a power cut."""
    loop, tail, pace = asyncio.get_running_loop(), bytearray(), Pace()

    def give(chunk: bytes) -> None:
        tail[:] = (tail + chunk)[-_TAIL:]
        asyncio.run_coroutine_threadsafe(pace.within(channel.send(chunk, BYTES), len(chunk)), loop).result()

    async with _carrier(world, app_id, asked, asked.copy) as carrier:
        # Asked when the copy is held: the engine makes a volume that is gone, an empty one.
        is_there = _is_there(world, app_id, asked)
        if is_there:
            await carriers.read(world.engine, carrier, give)
    if not is_there:
        with contextlib.suppress(Conflict):
            await volumes.remove(world.engine, volume_name(world.settings.instance, asked.volume, asked.copy))
        return Ended(reason=FAILED, detail="the volume's data became another meanwhile")
    if tail.count(0) < _TAIL:
        return Ended(reason=FAILED, detail="the engine broke the archive off")
    await channel.put(b"", END)
    return Ended(reason=DONE)


def _is_there(world: World, app_id: str, asked: VolumeSession) -> bool:
    """Whether nothing that we were told had that copy removed."""
    desired = world.wants.entries.get(app_id)
    return desired is None or (asked.volume not in desired.purge and desired.copies.get(asked.volume, 1) <= asked.copy)


async def restore(world: World, app_id: str, asked: VolumeSession, channel: Channel) -> Ended:
    """Fill a new copy with what comes; when that ends otherwise than well, the copy goes again."""
    coming = _Coming(channel, Pace())
    filling = msgspec.json.decode(await coming.first(), type=Filling)
    await _clear(world, asked, filling)
    unpacked = Unpacked(io.BufferedReader(coming), await _room(world))
    name = volume_name(world.settings.instance, asked.volume, filling.copy)
    world.filling.note(name)
    is_whole = False
    try:
        async with _carrier(world, app_id, asked, filling.copy) as carrier:
            await carriers.write(world.engine, carrier, iter(unpacked))
        is_whole = channel.ended is None
    finally:
        if not is_whole:
            await _drop(world, name)
    world.filling.forget(name)
    detail = msgspec.json.encode(Restored(files=unpacked.files, size_bytes=unpacked.size_bytes)).decode()
    return Ended(reason=DONE, detail=detail)


async def _clear(world: World, asked: VolumeSession, filling: Filling) -> None:
    """Remove what earlier restores left that were broken off, or that came too late."""
    await carriers.sweep(world.engine, world.place.instance, world.carriers)
    for seen in await volumes.list_ours(world.engine, world.place.instance, asked.volume):
        if seen.number == filling.copy:
            await _drop(world, seen.name)
        elif seen.number > filling.current:
            with contextlib.suppress(Conflict):  # a container has it: a database that was put back knows less than the engine
                await _drop(world, seen.name)


async def _drop(world: World, name: str) -> None:
    await volumes.remove(world.engine, name)
    world.filling.forget(name)


@contextlib.asynccontextmanager
async def _carrier(world: World, app_id: str, asked: VolumeSession, copy: int) -> AsyncIterator[str]:
    instance = world.settings.instance
    marks = labels(app_id, asked.project_id, asked.volume, copy, instance)
    name = volume_name(instance, asked.volume, copy)
    async with carriers.carrier(world.engine, instance, name, marks, world.carriers) as carrier:
        yield carrier


async def _room(world: World) -> Callable[[int], None]:
    """What refuses to go on when the engine's disk would be full; where it cannot be seen from here the engine itself says so."""
    root = disks.engine_root(world.settings.docker_host, (await world.engine.info()).root)
    asked_at = 0

    def check(size: int) -> None:
        nonlocal asked_at
        if size < asked_at:
            return
        asked_at = size + _CHECK_EVERY
        disk = disks.measure(disks.ENGINE, root) if root else None
        if disk and disk.free_bytes < _KEPT_FREE * (disk.free_bytes + disk.used_bytes):
            raise ArchiveRefused(f"The engine's disk has {disk.free_bytes // 1024**2} MB left, and the archive has more to come.")

    return check


class _Coming(io.RawIOBase):
    """What comes in the session, as a file for a thread to read. Its end is the word for it, not silence."""

    def __init__(self, channel: Channel, pace: Pace) -> None:
        self._channel = channel
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._is_over = False

    async def first(self) -> bytes:
        """What the other side says before the archive."""
        frame = await self._next()
        if frame.tag != FILL:
            raise ArchiveRefused("Nothing said where it is to go.")
        return frame.body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest and not self._is_over:
            frame = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            self._rest, self._is_over = frame.body, frame.tag == END
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    async def _next(self) -> Frame:
        frame = await self._pace.within(self._channel.receive())
        if frame is None:
            raise Over(self._channel.ended or Ended(reason=LEFT))
        self._pace.moved(len(frame.body))
        return frame
