"""What is wanted: the newest entry of each app, and whether all of them are known."""

import msgspec
import structlog

from libs.common.messages.api import Complete, Desired
from libs.common.states import Intent
from libs.common.subjects import COMPLETE_KEY

logger = structlog.get_logger()


class Wants:
    """The bucket `desired` as far as it may be believed: what is older than something that was seen already is passed over."""

    def __init__(self) -> None:
        self.entries: dict[str, Desired] = {}
        self._epoch = 0
        self._complete = 0

    def take(self, key: str, raw: msgspec.Raw) -> Desired | None:
        """Note an entry; return it when it is news about an app."""
        if key == COMPLETE_KEY:
            entry = msgspec.json.decode(raw, type=Complete)
            self._complete = max(self._complete, entry.epoch)
            self._epoch = max(self._epoch, entry.epoch)
            return None
        desired = msgspec.json.decode(raw, type=Desired)
        self._epoch = max(self._epoch, desired.epoch)
        known = self.entries.get(key)
        if known is not None and (desired.epoch, desired.revision) <= (known.epoch, known.revision):
            return None
        self.entries[key] = desired
        return desired

    @property
    def complete(self) -> bool:
        """Every app of the present epoch is in it. Before that nothing may be removed."""
        return 0 < self._epoch <= self._complete

    def last_in_project(self, desired: Desired) -> bool:
        """No other app of the project is wanted."""
        return not any(
            other.project_id == desired.project_id and other.app_id != desired.app_id and other.intent != Intent.DELETED
            for other in self.entries.values()
        )
