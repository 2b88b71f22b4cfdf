"""Which values of an app's environment may never be shown."""

from libs.common.messages.api import Desired
from libs.common.secrets import UnreadableError, is_secret_name, mask, spellings
from services.runtime.world import World


class Masks:
    """Collects the secret values of every release of one app that this process has seen."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def learn(self, desired: Desired, world: World) -> None:
        for release in (desired.current, desired.candidate):
            if release is None or (release.env, release.env_secret) in self._seen:
                continue
            self._seen.add((release.env, release.env_secret))
            try:
                env = world.env_of(release)
            except UnreadableError:
                continue  # no container was made with it either
            for name, value in env.items():
                if is_secret_name(name) or name in release.env_secret:
                    self._values |= spellings(value)

    def hide(self, text: str) -> str:
        return mask(text, tuple(self._values)) if self._values else text
