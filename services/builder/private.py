"""Pulls with a login: what comes by one is held by our own name alone, so that nobody else gets it by naming it.

While such a pull is under way its repository is closed to every other command: the engine names the image before we can take the name
off again. The file that closes it says which names to take off, should the builder die meanwhile, or the pull be given up.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict
from libs.common.engine.images import ImageSeen
from libs.common.errors import Retry
from services.builder.image import Reference, familiar
from services.builder.patience import patiently

FOLDER = "private"
_CLOSED = "an image of the repository is being pulled with a login"
_CLOSED_SECONDS = 1.0


class Door:
    """Of each repository: closed while an image of it is pulled with a login."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self._engine = engine
        self._folder = home / FOLDER

    async def check(self, reference: Reference) -> Callable[[], None]:
        """`Retry` while the repository is closed; what a pull that did not come to its end may have left is put right first.

        What the engine says of the repository after that counts once the function that is given has been called and raised no `Retry`:
        the repository was not closed meanwhile.
        """
        closed_at = self._closed_at(reference)
        path = self._path(reference)
        if path.exists():
            with _closed(path) as left:
                await self._clear(left)
                path.unlink(missing_ok=True)

        def is_open_still() -> None:
            if self._closed_at(reference) != closed_at:
                raise Retry(_CLOSED, after=_CLOSED_SECONDS)

        return is_open_still

    @contextlib.asynccontextmanager
    async def private(self, reference: Reference) -> AsyncIterator[None]:
        """Pull and hold the image in this block: at its end the engine knows it by no name of the registry's.

        Where the engine has no such image then, the pull was given up, and it may name it yet: the file stays, for the next to look again.
        """
        self.note(reference)
        path = self._path(reference)
        with _closed(path) as left:
            await self._clear(left)
            path.write_text(reference.text, encoding="utf-8")
            os.utime(self._known(reference))
            try:
                yield
            finally:
                if await self._clear(reference.text):
                    path.unlink(missing_ok=True)

    def note(self, reference: Reference) -> None:
        """An image of the repository is pulled with a login."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (known := self._known(reference)).exists():
            known.touch(mode=0o600)

    def was_private(self, reference: Reference) -> bool:
        """Whether it is a digest of a repository that was pulled from with a login: the engine may give it to anybody who asks again."""
        return "@" in reference.text and self._known(reference).exists()

    async def sweep(self) -> None:
        """At the start: names that a killed builder left on the engine."""
        for path in sorted(self._folder.glob("*.pull")):
            with contextlib.suppress(Retry), _closed(path) as left:
                await self._clear(left)
                path.unlink(missing_ok=True)

    async def _clear(self, text: str) -> bool:
        """Take the names of what was pulled off; say whether it was there."""
        if not text:
            return False
        seen = await patiently(lambda: images.find(self._engine, text))
        for name in names_of(text, seen) if seen is not None else ():
            with contextlib.suppress(Conflict):
                await self._untag(name)
        return seen is not None

    async def _untag(self, name: str) -> None:
        await patiently(lambda: images.untag(self._engine, name))

    def _closed_at(self, reference: Reference) -> int:
        """When an image of the repository was last begun to be pulled with a login, in ns; 0 for never."""
        try:
            return self._known(reference).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _known(self, reference: Reference) -> Path:
        return self._folder / f"{_print(reference)}.known"

    def _path(self, reference: Reference) -> Path:
        return self._folder / f"{_print(reference)}.pull"


def _print(reference: Reference) -> str:
    return hashlib.sha256(familiar(reference.name).encode()).hexdigest()


@contextlib.contextmanager
def _closed(path: Path) -> Iterator[str]:
    """Hold the file; gives what was left in it. `Retry` while another one holds it."""
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = path.stat().st_ino == os.fstat(lock.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError) as error:
            raise Retry(_CLOSED, after=_CLOSED_SECONDS) from error
        if not is_there:
            raise Retry(_CLOSED, after=_CLOSED_SECONDS)
        lock.seek(0)
        yield lock.read()


def names_of(text: str, seen: ImageSeen) -> list[str]:
    """By which names of its repository the engine knows the image: the one that was pulled, and its digests.

    The digests stay where another tag of the repository has the image too: that one was there before, and is everybody's.
    """
    repository = familiar(text.partition("@")[0] if "@" in text else text.rpartition(":")[0])
    tags = [name for name in seen.repo_tags if name.rpartition(":")[0] == repository]
    pulled = [name for name in tags if name == familiar(text)]
    others = len(tags) > len(pulled)
    return pulled + [name for name in seen.repo_digests if not others and name.partition("@")[0] == repository]
