"""What is wanted: the newest entry of each app, and whether all of them are known."""

from typing import TypeVar

import msgspec
import structlog

from libs.common.messages.api import Complete, Desired
from libs.common.states import Intent
from libs.common.subjects import COMPLETE_KEY

T = TypeVar("T", Desired, Complete)

logger = structlog.get_logger()


class _Version(msgspec.Struct):
    v: int = 1


class Wants:
    """The bucket `desired` as far as it may be believed: what is older than something that was seen already is passed over.

    `unread` holds what does not fit, by key, and why: of such an app nothing is known, so nothing may be done to it.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Desired] = {}
        self.unread: dict[str, str] = {}
        self._epoch = 0
        self._complete = 0

    def take(self, key: str, raw: msgspec.Raw) -> Desired | None:
        """Note an entry; return it when it is news about an app."""
        try:
            if key == COMPLETE_KEY:
                self._take_complete(_read(raw, Complete))
                desired = None
            else:
                desired = _of(key, _read(raw, Desired))
        except (msgspec.MsgspecError, ValueError) as error:
            self.refuse(key, str(error))
            return None
        self.unread.pop(key, None)
        return self._take_app(desired) if desired else None

    def refuse(self, key: str, why: str) -> None:
        """The newest entry of that key cannot be read."""
        logger.error("runtime.wish_unread", key=key, error=why)
        self.unread[key] = why
        self.entries.pop(key, None)

    def forget(self, key: str) -> None:
        self.entries.pop(key, None)
        self.unread.pop(key, None)

    def _take_complete(self, entry: Complete) -> None:
        self._complete = max(self._complete, entry.epoch)
        self._epoch = max(self._epoch, entry.epoch)

    def _take_app(self, desired: Desired) -> Desired | None:
        self._epoch = max(self._epoch, desired.epoch)
        known = self.entries.get(desired.app_id)
        if known is not None and (desired.epoch, desired.revision) <= (known.epoch, known.revision):
            return None
        self.entries[desired.app_id] = desired
        return desired

    @property
    def complete(self) -> bool:
        """Every app of the present epoch is in it. Before that nothing may be removed."""
        return 0 < self._epoch <= self._complete

    def last_in_project(self, desired: Desired) -> bool:
        """No other app of the project is wanted, as far as all of them could be read."""
        return not self.unread and not any(
            other.project_id == desired.project_id and other.app_id != desired.app_id and other.intent != Intent.DELETED
            for other in self.entries.values()
        )


def _read(raw: msgspec.Raw, kind: type[T]) -> T:
    version = msgspec.json.decode(raw, type=_Version).v
    if version != 1:
        raise ValueError(f"its version is {version}; this runtime reads version 1")
    return msgspec.json.decode(raw, type=kind)


def _of(key: str, desired: Desired) -> Desired:
    if desired.app_id != key:
        raise ValueError(f"it is of {desired.app_id}")
    return desired
