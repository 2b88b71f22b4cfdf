"""The spool: where uploads lie until the builder has loaded them. The API alone writes and removes; see ADR 12.

`{deployment}.part` grows, `{deployment}.tar` is whole and on the disk. Either is locked for as long as a request holds it.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from libs.common import ids
from services.api.http.problems import Problem

_MEGABYTE = 1024 * 1024
_PIECE = 2 * _MEGABYTE
"""How much is written at once: a thread takes it to the disk while the loop goes on."""
_LOOK_BYTES = 64 * _MEGABYTE
_RESERVE = 512 * _MEGABYTE
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Spool:
    """`most` is the largest upload in bytes."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self.most = most

    def check_room(self, size: int) -> None:
        """`413 upload_too_large` or `507 disk_full` unless `size` more bytes may come."""
        if size > self.most:
            raise Problem("upload_too_large", f"An upload has at most {self.most // _MEGABYTE} MB.")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self.folder).free - size < _RESERVE:
            raise Problem("disk_full", f"The server has no room for {max(size // _MEGABYTE, 1)} MB more.")

    async def take(self, chunks: AsyncIterator[bytes], *, hashed: bool = False) -> "Upload":
        """Write the stream; return when it is on the disk, whatever happens to the machine then. Nothing stays when it breaks off."""
        upload = Upload(self.folder, ids.new("dep"), hashed=hashed)
        try:
            await self._write(upload, chunks)
            await asyncio.to_thread(upload.finish)
        except OSError as error:
            upload.discard()
            if error.errno in _FULL:
                raise Problem("disk_full") from error
            raise
        except BaseException:
            upload.discard()
            raise
        return upload

    async def _write(self, upload: "Upload", chunks: AsyncIterator[bytes]) -> None:
        waiting: list[bytes] = []
        size, looked = 0, 0
        async for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size > self.most:
                raise Problem("upload_too_large", f"An upload has at most {self.most // _MEGABYTE} MB.")
            if size - upload.size >= _PIECE:
                await asyncio.to_thread(upload.write, waiting)
                waiting = []
            if size - looked >= _LOOK_BYTES:
                looked = size
                self.check_room(0)
        await asyncio.to_thread(upload.write, waiting)
        if not upload.size:
            raise Problem("empty_upload")


class Upload:
    """One file. `with` it until the transaction is over: it stays when `kept` was called, and goes otherwise."""

    def __init__(self, folder: Path, deployment_id: str, *, hashed: bool) -> None:
        self.deployment_id = deployment_id
        self.size = 0
        self._path = folder / f"{deployment_id}.part"
        self._whole = folder / f"{deployment_id}.tar"
        self._hash = hashlib.sha256() if hashed else None
        self._kept = False
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    @property
    def digest(self) -> bytes:
        """Of what was written: with an `Idempotency-Key` it says whether it is the same request."""
        return self._hash.digest() if self._hash else b""

    def write(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            if self._hash:
                self._hash.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._descriptor, view) :]
            self.size += len(chunk)

    def finish(self) -> None:
        os.fsync(self._descriptor)
        self._path.rename(self._whole)
        folder = os.open(self._whole.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        for path in (self._path, self._whole):
            path.unlink(missing_ok=True)
        self._close()

    def keep(self) -> None:
        """The deployment is in the database: from now on the sweeper decides."""
        self._kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A commit that broke off may have landed: the sweeper looks.
        if self._kept or (kind is not None and not issubclass(kind, Problem)):
            self._close()
        else:
            self.discard()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
