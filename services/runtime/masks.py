"""Which values of an app's environment may never be shown."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping

from libs.common.masking import Lines, Masker
from libs.common.messages.api import Desired, Release
from libs.common.secrets import UnreadableError, fingerprint, is_secret_name

_MOST = 64
"""Environments whose values are kept in mind."""


class Masks:
    """Collects the secret values of the releases of one app that this process has seen last; `masker` knows them.

    A container may outlive its release by minutes; a value that was changed `_MOST` times since is in none any more.
    """

    def __init__(self) -> None:
        self.masker = Masker(())
        self._sets: OrderedDict[str, frozenset[str]] = OrderedDict()

    def learn(self, desired: Desired, known_of: Callable[[Release], Iterable[tuple[str, str]]]) -> None:
        """`known_of` gives what a release's containers may know, in the clear, or raises `UnreadableError`."""
        for release in (desired.current, desired.candidate):
            if release is None:
                continue
            name = fingerprint("\0".join((release.env, release.shared, *release.env_secret)))
            if name in self._sets:
                self._sets.move_to_end(name)
                continue
            try:
                known = known_of(release)
            except UnreadableError:
                continue  # no container was made with it either
            self._add(name, (value for key, value in known if is_secret_name(key) or key in release.env_secret))

    def learn_env(self, env: Mapping[str, str], secret: Collection[str]) -> None:
        """What a container was given, whose release may not be wanted any more; `secret` are names that do not look like secrets."""
        values = sorted(value for name, value in env.items() if is_secret_name(name) or name in secret)
        self._add(fingerprint("\0".join(values)), values)

    def _add(self, name: str, values: Iterable[str]) -> None:
        before = self._values()
        self._sets[name] = frozenset(values)
        self._sets.move_to_end(name)
        if len(self._sets) > _MOST:
            self._sets.popitem(last=False)
        if (after := self._values()) != before:
            self.masker = Masker(after)

    def _values(self) -> frozenset[str]:
        return frozenset().union(*self._sets.values())

    def hide(self, text: str) -> str:
        return self.masker.hide(text)

    def hide_all(self, lines: Iterable[str]) -> list[str]:
        """As many lines, in which no secret stands that goes over the end of one."""
        stream = Lines(self.masker)
        return [*stream.take(*lines), *stream.end()]
