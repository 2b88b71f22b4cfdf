"""KV buckets: typed writes by compare-and-set, and a live local copy that heals itself."""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

import msgspec
import nats.errors
import nats.js.errors
import structlog
from nats.js.kv import KeyValue

from libs.common.bus import Bus, BusAway
from libs.common.cancelling import heed

T = TypeVar("T", bound=msgspec.Struct | msgspec.Raw)

_RELIST_SECONDS = 30.0
_RETRY_SECONDS = 0.25
_LIST_SECONDS = 5.0
_FAULTS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)

logger = structlog.get_logger()


class Conflict(Exception):
    """Somebody else wrote the key since it was read."""


class Bucket(Generic[T]):
    """Writes to one bucket. Every failure of the bus is `BusAway`."""

    def __init__(self, bus: Bus, name: str, kind: type[T]) -> None:
        self._bus = bus
        self.name = name
        self._decoder = msgspec.json.Decoder(kind)
        self._kv: KeyValue | None = None

    async def _open(self) -> KeyValue:
        if not self._bus.connected:
            raise BusAway(f"{self.name}: the bus is away")
        if self._kv is None:
            self._kv = await heed(self._bus.js.key_value(self.name))
        return self._kv

    async def get(self, key: str) -> tuple[T, int] | None:
        """The entry and its revision in the bucket, or None."""
        try:
            entry = await heed((await self._open()).get(key))
        except (nats.js.errors.KeyNotFoundError, nats.js.errors.KeyDeletedError):
            return None
        except _FAULTS as error:
            raise BusAway(f"{self.name}/{key}: {error or type(error).__name__}") from error
        return self._decoder.decode(entry.value or b""), int(entry.revision or 0)

    async def all(self) -> dict[str, T]:
        """Every entry, by key, as of now."""
        try:
            watcher = await heed((await self._open()).watchall(ignore_deletes=True))
            try:
                found: dict[str, T] = {}
                while (entry := await heed(watcher.updates(timeout=_LIST_SECONDS))) is not None:
                    found[entry.key] = self._decoder.decode(entry.value or b"")
                return found
            finally:
                await watcher.stop()
        except _FAULTS as error:
            raise BusAway(f"{self.name}: {error or type(error).__name__}") from error

    async def put(self, key: str, entry: T) -> int:
        """Write without a condition: for a bucket whose key has one writer."""
        try:
            return int(await heed((await self._open()).put(key, msgspec.json.encode(entry))))
        except _FAULTS as error:
            raise BusAway(f"{self.name}/{key}: {error or type(error).__name__}") from error

    async def swap(self, key: str, entry: T, last: int) -> int:
        """Write if the key's revision is still `last` (0: it must not be there); `Conflict` otherwise."""
        try:
            kv = await self._open()
            body = msgspec.json.encode(entry)
            return int(await heed(kv.update(key, body, last=last) if last else kv.create(key, body)))
        except nats.js.errors.KeyWrongLastSequenceError as error:
            raise Conflict(f"{self.name}/{key}") from error
        except _FAULTS as error:
            raise BusAway(f"{self.name}/{key}: {error or type(error).__name__}") from error

    async def delete(self, key: str) -> None:
        try:
            await heed((await self._open()).delete(key))
        except _FAULTS as error:
            raise BusAway(f"{self.name}/{key}: {error or type(error).__name__}") from error


class Mirror(Generic[T]):
    """A live local copy of a bucket.

    `entries` is what the bucket held at the last word from it; `seen` when each came, by the monotonic clock. `on_change(key, entry)`
    is called for each entry that is new or another than before, with None for a deletion that was said. An entry that is missing
    after a new listing (a bucket that was wiped) leaves `entries` without a call: absence is not a removal. `on_listed` is called
    after each listing. One that is malformed or of a version that is not known stands in `unread` with the reason, and `on_unread`
    is told of it; `entries` keeps what was good before.
    """

    def __init__(
        self,
        bus: Bus,
        name: str,
        kind: type[T],
        *,
        on_change: Callable[[str, T | None], None] | None = None,
        on_unread: Callable[[str, str], None] | None = None,
        on_listed: Callable[[], None] | None = None,
        relist_seconds: float = _RELIST_SECONDS,
    ) -> None:
        self._bus = bus
        self._name = name
        self._decoder = msgspec.json.Decoder(kind)
        self._version = _version(kind)
        self._on_change = on_change or (lambda _key, _entry: None)
        self._on_unread = on_unread or (lambda _key, _why: None)
        self._on_listed = on_listed or (lambda: None)
        self._relist_seconds = relist_seconds
        self._again = asyncio.Event()
        self.entries: dict[str, T] = {}
        self.revisions: dict[str, int] = {}
        self.seen: dict[str, float] = {}
        self.unread: dict[str, str] = {}
        self.listed = asyncio.Event()
        self._untold: set[str] = set()
        bus.reconnected.append(self._again.set)

    async def run(self) -> None:
        """Follow the bucket for ever: watch, and list anew after a reconnect and at every tick."""
        said = ""
        await self._bus.opened.wait()
        while True:
            try:
                await self._follow()
                said = ""
            except _FAULTS as error:
                reason = str(error) or type(error).__name__
                if reason != said:  # four times a second the same line would hide the others
                    logger.info("bucket.waiting", bucket=self._name, error=reason)
                said = reason
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        kv = await heed(self._bus.js.key_value(self._name))
        self._again.clear()
        watcher = await heed(kv.watchall())
        try:
            await self._list(watcher)
            until = monotonic() + self._relist_seconds
            while not self._again.is_set() and monotonic() < until:
                await self._take_next(watcher, until - monotonic())
        finally:
            with contextlib.suppress(*_FAULTS):
                await watcher.stop()

    async def _list(self, watcher: KeyValue.KeyWatcher) -> None:
        found: set[str] = set()
        while (entry := await heed(watcher.updates(timeout=5.0))) is not None:
            found.add(entry.key)
            self._take(entry)
        for key in (self.entries.keys() | self.unread.keys()) - found:
            self._forget(key)
        self.listed.set()
        self._on_listed()

    async def _take_next(self, watcher: KeyValue.KeyWatcher, timeout: float) -> None:
        """Wait for one update, or for the word that the connection is new."""
        update = asyncio.ensure_future(watcher.updates(timeout=max(timeout, 0.01)))
        again = asyncio.ensure_future(self._again.wait())
        try:
            await asyncio.wait({update, again}, return_when=asyncio.FIRST_COMPLETED)
            if update.done() and update.exception() is None and (entry := update.result()) is not None:
                self._take(entry)
        finally:
            update.cancel()
            again.cancel()

    def _take(self, entry: KeyValue.Entry) -> None:
        key = entry.key
        if entry.operation in {"DEL", "PURGE"}:
            if key in self.entries or key in self.unread or key in self._untold:
                self._forget(key)
                self._tell(key, None)
            return
        self.seen[key] = monotonic()
        try:
            value = self._decoder.decode(entry.value or b"")
            self._check_version(value)
        except (msgspec.DecodeError, ValueError) as error:
            self._refuse(key, str(error))
            return
        again = self.unread.pop(key, None) is not None or key in self._untold
        self.revisions[key] = int(entry.revision or 0)
        if again or self.entries.get(key) != value:
            self.entries[key] = value
            self._tell(key, value)

    def _tell(self, key: str, value: T | None) -> None:
        """A bug in what is done about one entry must not end the following of all: it is told again at the next listing."""
        self._untold.discard(key)
        try:
            self._on_change(key, value)
        except Exception:
            logger.exception("bucket.change_failed", bucket=self._name, key=key)
            self._untold.add(key)

    def _check_version(self, value: T) -> None:
        version = getattr(value, "v", self._version)
        if version != self._version:
            raise ValueError(f"its version is {version}; this service reads version {self._version}")

    def _refuse(self, key: str, why: str) -> None:
        if self.unread.get(key) == why:
            return  # said at the last listing
        logger.error("bucket.unread", bucket=self._name, key=key, error=why)
        self.unread[key] = why
        self._on_unread(key, why)

    def _forget(self, key: str) -> None:
        self.entries.pop(key, None)
        self.revisions.pop(key, None)
        self.seen.pop(key, None)
        self.unread.pop(key, None)


def _version(kind: type[object]) -> int | None:
    """The version of an entry that this code was written for: what its field `v` is where nobody says."""
    fields = msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else ()
    return next((int(field.default) for field in fields if field.name == "v"), None)
