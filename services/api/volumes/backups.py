"""Backups of volumes in a folder of the server: made by the clock or when they are asked for, the newest kept."""

import asyncio
import contextlib
import fcntl
import os
import re
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from libs.common import clock
from services.api.core import Core
from services.api.http.problems import Problem, not_found
from services.api.volumes import archive
from services.api.volumes.models import VolumeRow
from services.api.volumes.schemas import Backup

_ENDING, _PART = ".tar.gz", ".part"
_YOUNG = 10.0
_NAME = re.compile(r"[0-9]{8}T[0-9]{12}Z\.tar\.gz")
MOST_BY_HAND = 50
"""How many a volume may have that no schedule prunes."""
_GZIP = 31
"""What tells zlib to write gzip's own head and end."""
_CHUNK = 1024 * 1024


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How the last one ended: `error` is empty where it is whole. JSON of `backup_last`."""

    at: str
    name: str = ""
    size_bytes: int = 0
    error: str = ""


def folder(home: str, row: VolumeRow) -> Path:
    """Named by ids alone: it outlives the app, and whatever a person calls it."""
    return Path(home) / "backups" / "volumes" / row.id


def check_room(place: Path) -> None:
    """`409 quota_exceeded` where nobody prunes and many are there."""
    if (count := len(listed(place))) >= MOST_BY_HAND:
        hint = "Delete one, or give the volume a schedule, which keeps as many as it says."
        raise Problem("quota_exceeded", f"The volume has {count} backups.", hint=hint, used=count, allowed=MOST_BY_HAND)


def listed(place: Path) -> list[Backup]:
    """The newest first."""
    if not place.is_dir():
        return []
    found: list[Backup] = []
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name, reverse=True):
        if _NAME.fullmatch(entry.name):
            with contextlib.suppress(FileNotFoundError):  # it was one too many just now
                found.append(Backup(name=entry.name, at=_moment(entry.name), size_bytes=entry.stat().st_size))
    return found


def path_of(place: Path, name: str) -> Path:
    """`404` for a name that no backup has; nothing that a person sends becomes another path."""
    if _NAME.fullmatch(name) is None or not (place / name).is_file():
        raise not_found("backup", name)
    return place / name


async def make(core: Core, row: VolumeRow) -> Backup:
    """Write one, whole or not at all. What `archive.read` raises is raised here; `OSError` where the folder takes no more."""
    place = folder(core.settings.home, row)
    await asyncio.to_thread(place.mkdir, mode=0o700, parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ") + _ENDING
    part = place / f".{name}{_PART}"
    try:
        size = await _write(part, archive.read(core, row))
        await asyncio.to_thread(part.rename, place / name)
    finally:
        await asyncio.to_thread(part.unlink, missing_ok=True)
    return Backup(name=name, at=_moment(name), size_bytes=size)


async def _write(part: Path, chunks: AsyncIterator[bytes]) -> int:
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    descriptor = await asyncio.to_thread(os.open, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        async for chunk in chunks:
            await asyncio.to_thread(lambda data: file.write(packer.compress(data)), chunk)
        await asyncio.to_thread(_seal, file, packer.flush())
        return file.tell()


def _seal(file: IO[bytes], end: bytes) -> None:
    file.write(end)
    file.flush()
    os.fsync(file.fileno())


def prune(place: Path, keep: int) -> None:
    """Remove all but the newest `keep`."""
    for backup in listed(place)[keep:]:
        (place / backup.name).unlink(missing_ok=True)


def remove(place: Path, name: str) -> None:
    """`404` for one that is not there, or not any more. Who reads it goes on."""
    try:
        path_of(place, name).unlink()
    except FileNotFoundError as error:
        raise not_found("backup", name) from error


def clear(place: Path) -> None:
    """Remove what a process left that was killed in the middle of one: a part that nobody has locked."""
    for part in place.glob(f".*{_ENDING}{_PART}") if place.is_dir() else ():
        with contextlib.suppress(OSError), part.open("rb") as file:
            if time.time() - part.stat().st_mtime < _YOUNG:
                continue  # its writer may be about to lock it
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)


async def content(path: Path) -> AsyncGenerator[bytes]:
    """A backup as it is on the disk; `404` where it was one too many meanwhile."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError as error:
        raise not_found("backup", path.name) from error
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


def _moment(name: str) -> str:
    at = datetime.strptime(name.removesuffix(_ENDING), "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    return clock.rfc3339(at)
