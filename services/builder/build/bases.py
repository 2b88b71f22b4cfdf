"""Base images: one that is another app's is nobody's, and one that a login brought here is for who has a login."""

import re
from collections.abc import Callable, Iterable, Sequence

from libs.common.egress import Allowed
from libs.common.image_names import owner, registry_of
from libs.common.messages.builder import RegistryLogin
from services.builder import image, registry
from services.builder.build import remote
from services.builder.build.progress import Progress
from services.builder.failed import because
from services.builder.image import BadReferenceError, Reference, familiar
from services.builder.private import Door

_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:_-]*@sha256:[0-9a-f]{64}")


class Bases:
    """Of all builds. `door` knows from which repositories was ever pulled with a login, `allowed` what may be added from."""

    def __init__(self, door: Door, allowed: Allowed) -> None:
        self.door = door
        self.allowed = allowed

    async def watch(self, dockerfile: str, progress: Progress, app_id: str, logins: Sequence[RegistryLogin]) -> "Watch":
        """Look at what the Dockerfile names, before it is built; `Failed` for what its app may not have.

        BuildKit asks a registry for a digest once: whoever names it again gets what is here, by no login at all.
        """
        await remote.check(remote.sources(dockerfile), self.allowed)
        named = {found.text: found for found in _all(_PINNED.findall(dockerfile), app_id)}
        for reference in named.values():
            if self.door.was_private(reference):
                await registry.vet(reference, _login(reference, logins), self.allowed)
        return Watch(self, progress, app_id, logins, frozenset(map(familiar, named)))


class Watch:
    """Of one build, whose `progress` it looks through. `named` are the images that its Dockerfile names by digest."""

    def __init__(self, bases: Bases, progress: Progress, app_id: str, logins: Sequence[RegistryLogin], named: frozenset[str]) -> None:
        self.progress = progress
        self._bases = bases
        self._app_id = app_id
        self._logins = logins
        self._named = named
        self._are_open_still: list[Callable[[], None]] = []
        self._seen = (0, 0, 0)

    async def look(self) -> None:
        """`Failed` as soon as the engine asks for what the app may not have; `Retry` while that cannot be told."""
        progress, seen = self.progress, self._seen
        self._seen = (len(progress.images), len(progress.pinned), len(progress.fetched))
        for name in progress.images[seen[0] :]:
            if owner(familiar(name)) not in {None, self._app_id}:
                raise because("base_image_not_found", f"{familiar(name)} is not there, or hidden from us.")
        for reference in _all(progress.pinned[seen[1] :], self._app_id):
            if familiar(reference.text) not in self._named and self._bases.door.was_private(reference):
                text = f"{reference.text} may be hidden from us: write the digest out in the Dockerfile, so that its registry can be asked."
                raise because("base_image_not_found", text)
        for reference in _all(progress.images[seen[0] :], self._app_id):
            if _login(reference, self._logins):
                self._bases.door.note(reference)
            self._are_open_still.append(await self._bases.door.check(reference))
        await remote.check(progress.fetched[seen[2] :], self._bases.allowed)

    def end(self) -> None:
        """`Retry` where an image of a repository that was asked for was pulled with a login meanwhile: the engine may have taken that."""
        for is_open_still in self._are_open_still:
            is_open_still()


def _all(names: Iterable[str], app_id: str) -> list[Reference]:
    return [found for name in names if (found := _read(name, app_id))]


def _read(text: str, app_id: str) -> Reference | None:
    """None for what the engine does not take either."""
    try:
        return image.parse(text, app_id)
    except BadReferenceError:
        return None


def _login(reference: Reference, logins: Sequence[RegistryLogin]) -> RegistryLogin | None:
    server, _ = registry_of(reference.name)
    return next((login for login in logins if login.server == server), None)
