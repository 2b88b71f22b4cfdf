"""Loading an upload: checked in a thread, written anew for the engine, and given up as soon as its file is gone."""

import asyncio
import contextlib
import errno
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import structlog

from libs.common import errors
from libs.common.bus import BusAway
from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, DiskFull, EngineAway, EngineError
from libs.common.engine.images import ImageSeen
from libs.common.messages.builder import LoadImage
from services.builder import words
from services.builder.archives.open import opened
from services.builder.archives.rewrite import rewrite
from services.builder.archives.sources import GivenUp, TooLarge
from services.builder.archives.tar import Broken
from services.builder.desired import Deleted
from services.builder.failed import Failed
from services.builder.patience import patiently
from services.builder.words import Say

_LOOK_SECONDS = 0.2
_QUIET_TURNS = 15
"""Turns without a byte after which it is said that the work goes on."""
_TRIES = 3

logger = structlog.get_logger()


class Loader:
    """`most` bounds in bytes what an upload is, and by twice as much what it unpacks to."""

    def __init__(self, engine: Engine, say: Say, deleted: Deleted, spool: Path, most: int) -> None:
        self._engine = engine
        self._say = say
        self._deleted = deleted
        self._spool = spool
        self._most = most

    def _is_given_up(self, message: LoadImage) -> bool:
        """The API takes the file away when nobody waits for the image any more."""
        return message.app_id in self._deleted or not self.has(message)

    def has(self, message: LoadImage) -> bool:
        """Whether the uploaded file is there."""
        return self._path(message).exists()

    async def load(self, message: LoadImage, name: str) -> ImageSeen:
        """Return the image, on the engine as `name`; `Failed` when there is none."""
        architecture = await patiently(lambda: images.architecture(self._engine))
        work = _Work(self._engine, self._path(message), architecture, self._most)
        async with self._watched(message, work):
            try:
                await work.check()
                await self._give(work, name)
            except Exception as error:
                raise _meaning(error) from error
        seen = await patiently(lambda: images.find(self._engine, name))
        if seen is not None and seen.layers == work.layers and not self._is_given_up(message):
            return seen
        await patiently(lambda: images.untag(self._engine, name))
        raise _meaning(GivenUp() if self._is_given_up(message) else Broken("the engine loaded another image than it describes"))

    async def _give(self, work: "_Work", name: str) -> None:
        """Send it. An engine that is away is waited for; one that answers and breaks off three times will not have it."""
        for left in reversed(range(_TRIES)):
            try:
                await work.send(name)
            except EngineAway as error:
                logger.info("upload.broken_off", error=str(error), left=left)
                await patiently(self._engine.ping)
                if not left:
                    raise _failed("build_failed", "The engine broke off loading the image.", str(error)) from error
            except EngineError:
                # One that keeps images in containerd gives the name first, and unpacks then.
                with contextlib.suppress(Conflict):
                    await patiently(lambda: images.untag(self._engine, name))
                raise
            else:
                return

    @contextlib.asynccontextmanager
    async def _watched(self, message: LoadImage, work: "_Work") -> AsyncIterator[None]:
        """Stop the work when nobody waits for it, and when the block is left; the thread has ended by then."""
        tasks = [asyncio.create_task(each) for each in (self._stop_when_given_up(message, work), self._report(message, work))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            work.stop.set()
            work.close()

    async def _stop_when_given_up(self, message: LoadImage, work: "_Work") -> None:
        while not self._is_given_up(message):  # noqa: ASYNC110 - a file that goes says nothing
            await asyncio.sleep(_LOOK_SECONDS)
        work.stop.set()

    async def _report(self, message: LoadImage, work: "_Work") -> None:
        """Say where it is every two seconds while it moves, and every half minute that it goes on."""
        said, quiet, number = 0, 0, 0
        while True:
            await asyncio.sleep(words.PROGRESS_SECONDS)
            quiet = quiet + 1 if work.sent == said else 0
            if quiet % _QUIET_TURNS:
                continue
            said, number = work.sent, number + 1
            with contextlib.suppress(BusAway):
                text = "the upload is loaded" if work.sent else "the upload is checked"
                mark = f"{work.sent}.{number}"
                await self._say(words.progress(message, mark, text, done_bytes=work.sent, total_bytes=work.total))

    def _path(self, message: LoadImage) -> Path:
        return self._spool / f"{message.deployment_id}.tar"


class _Work:
    """One upload on its way: what was found in it, and how far it is."""

    def __init__(self, engine: Engine, path: Path, architecture: str, most: int) -> None:
        self.stop = threading.Event()
        self.sent = 0
        self.total = 0
        self.layers: tuple[str, ...] = ()
        self._engine = engine
        self._path = path
        self._architecture = architecture
        self._most = most
        self._stack = contextlib.ExitStack()

    async def check(self) -> None:
        """Raises what says why the archive is not taken."""
        await self._to_its_end(asyncio.to_thread(self._check))

    async def send(self, name: str) -> None:
        self.sent = 0
        chunks = rewrite(self._opened.contents, self._opened.image, name, self._count)
        await self._to_its_end(images.load(self._engine, chunks))

    async def _to_its_end(self, call: Coroutine[Any, Any, None]) -> None:
        """A thread reads the file: whoever is cancelled meanwhile stops it, and leaves when it has ended."""
        task = asyncio.create_task(call)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self.stop.set()
            await asyncio.wait({task})
            raise

    def _check(self) -> None:
        found = opened(self._path, architecture=self._architecture, most=2 * self._most, stop=self.stop)
        self._opened = self._stack.enter_context(found)
        image = self._opened.image
        if image.architecture not in {"", self._architecture} or image.os not in {"", "linux"}:
            text = f"the image is for {image.os or 'linux'}/{image.architecture}, and this machine is linux/{self._architecture}"
            raise _failed("image_invalid", text)
        self.layers = tuple(digest for _, digest in image.layers)
        self.total = sum({member.offset: member.size for member, _ in image.layers}.values())

    def _count(self, size: int) -> None:
        self.sent += size

    def close(self) -> None:
        self._stack.close()


def _meaning(error: Exception) -> Exception:
    """What an error means for the deployment; an error that is no end of an upload stays as it is."""
    if isinstance(error, Broken):
        return _failed("upload_invalid", f"The upload is no image that can be taken: {error}.")
    if isinstance(error, TooLarge):
        return _failed("upload_too_large", f"The upload is too large: {error}.")
    if isinstance(error, GivenUp | FileNotFoundError):
        return _failed("upload_lost", "The uploaded file is gone.")
    if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}):
        return _failed("disk_full", "The disk is full.", str(error))
    if isinstance(error, EngineError):
        return _failed("upload_invalid", "The engine does not take the image.", str(error))
    return error


def _failed(code: str, text: str, evidence: str = "") -> Failed:
    return Failed(errors.failure("building", code, text, evidence=tuple(evidence.splitlines())))
