"""What this router says of itself: the revisions that it serves, and that it lives."""

import asyncio

import structlog

from libs.common import subjects
from libs.common.bucket import Bucket, Mirror
from libs.common.bus import Bus, BusAway
from libs.common.messages.router import Applied, RouterLease

_LEASE_SECONDS = 3.0
_RETRY_SECONDS = 0.5

logger = structlog.get_logger()


class Announcer:
    """Writes `applied`, and again whatever the bucket lost: a mirror of it shows what is missing."""

    def __init__(self, bus: Bus, router_id: str) -> None:
        self._bucket = Bucket(bus, subjects.APPLIED, Applied)
        self._router_id = router_id
        self._entries: dict[str, Applied] = {}
        self._unsaid: set[str] = set()
        self.mirror = Mirror(bus, subjects.APPLIED, Applied, on_listed=self._compare)

    def revision(self, app_id: str) -> int:
        """The revision that was said last; 0 for none."""
        entry = self._entries.get(app_id)
        return entry.revision if entry else 0

    async def say(self, app_id: str, revision: int, sessions: dict[str, int]) -> None:
        """Write it; what the bus does not take now is written as soon as it does."""
        entry = Applied(app_id=app_id, router_id=self._router_id, revision=revision, sessions=sessions)
        self._entries[app_id] = entry
        self._unsaid.discard(app_id)
        try:
            await self._bucket.put(self._key(app_id), entry)
        except BusAway as error:
            logger.info("applied.waiting", app_id=app_id, error=str(error))
            self._unsaid.add(app_id)

    async def forget(self, app_id: str) -> None:
        """The app and its route are gone from the bus: so is our word on it."""
        self._entries.pop(app_id, None)
        self._unsaid.discard(app_id)
        try:
            await self._bucket.delete(self._key(app_id))
        except BusAway as error:
            logger.info("applied.not_deleted", app_id=app_id, error=str(error))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            for app_id in list(self._unsaid):
                entry = self._entries.get(app_id)
                if entry is None:  # forgotten while it, or one before it, was said
                    self._unsaid.discard(app_id)
                else:
                    await self.say(app_id, entry.revision, entry.sessions)

    def _compare(self) -> None:
        self._unsaid |= {app_id for app_id, entry in self._entries.items() if self.mirror.entries.get(self._key(app_id)) != entry}

    def _key(self, app_id: str) -> str:
        return f"{app_id}.{self._router_id}"


async def hold_lease(bus: Bus, lease: RouterLease, serving: asyncio.Event) -> None:
    """Say that the router lives, for as long as its proxy serves."""
    bucket = Bucket(bus, subjects.LEASES, RouterLease)
    while True:
        await serving.wait()
        try:
            await bucket.put(f"router.{lease.router_id}", lease)
        except BusAway as error:
            logger.info("lease.waiting", error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        await asyncio.sleep(_LEASE_SECONDS)
