"""Apps that HAProxy refuses something for: the others go on, and these are tried again by a reload, which starts from the files."""

from collections.abc import Collection, Mapping
from time import monotonic

_FIRST_SECONDS = 0.5
_MOST_SECONDS = 3_600.0


class Refusals:
    """`apps`: by id the sentence that says what was refused."""

    def __init__(self) -> None:
        self.apps: dict[str, str] = {}
        self._pause = _FIRST_SECONDS
        self._due = 0.0

    @property
    def problem(self) -> str:
        """Empty, or what is wrong and what becomes of it."""
        if not self.apps:
            return ""
        app_id, sentence = min(self.apps.items())
        more = f" and {len(self.apps) - 1} more" if len(self.apps) > 1 else ""
        return f"{app_id}{more}: {sentence}. All others are served; these are tried again by a reload of HAProxy. See: dockup logs router"

    @property
    def due(self) -> bool:
        """Whether it is time for a reload."""
        return bool(self.apps) and monotonic() >= self._due

    def note(self, tried: Collection[str], refused: Mapping[str, str]) -> None:
        """How it went with the apps that were tried."""
        was_well = not self.apps
        self.apps = {app_id: why for app_id, why in self.apps.items() if app_id not in tried} | dict(refused)
        if not self.apps:
            self._pause = _FIRST_SECONDS
        elif was_well:
            self._due = monotonic() + self._pause

    def retry(self) -> None:
        """A reload is on its way: the next one comes later, for each leaves a worker until its last connection ends."""
        self._pause = min(2 * self._pause, _MOST_SECONDS)
        self._due = monotonic() + self._pause
