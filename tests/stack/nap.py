"""Puts an app to sleep at once: the decision that metrics would make, said with metrics' own credentials."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common import clock, scaling, subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.messages.scale import Scale
from libs.supervisor import settings
from tests.stack.dockup import Stack

SLEEPY = {"enabled": True, "min_replicas": 0, "max_replicas": 3, "idle_timeout_seconds": 3_600}
"""A policy under which metrics itself will not decide on sleep in a test's time."""
_STOPPED_SECONDS = 30.0


class Naps:
    """The bucket of decisions of a stack."""

    def __init__(self, stack: Stack, bucket: Bucket[Scale]) -> None:
        self._stack = stack
        self._bucket = bucket

    async def last(self, app_id: str) -> Scale | None:
        found = await self._bucket.get(app_id)
        return found[0] if found else None

    async def decide(self, app_id: str) -> int:
        """Write 0 and return the decision's number."""
        entry, revision = await self._bucket.get(app_id) or (None, 0)
        number, before = (entry.number + 1, entry.at) if entry else (1, None)
        at = scaling.later(clock.now(), before)
        await self._bucket.swap(app_id, Scale(app_id=app_id, replicas=0, at=at, by="metrics", number=number, reason="A test."), revision)
        return number

    async def sleep(self, app_id: str) -> int:
        """Decide, and wait until its container lies stopped."""
        number = await self.decide(app_id)
        left = self._stack.leftovers()
        async with asyncio.timeout(_STOPPED_SECONDS):
            while [each["State"] for each in await asyncio.to_thread(left.containers, app_id)] != ["exited"]:
                await asyncio.sleep(0.02)
        return number


@asynccontextmanager
async def naps(stack: Stack) -> AsyncIterator[Naps]:
    home = stack.home
    bus = await Bus.connect(settings.service_environment("metrics", home, home.load(), {})["DOCKUP_NATS_URL"], "metrics")
    try:
        yield Naps(stack, Bucket(bus, subjects.SCALE, Scale))
    finally:
        await bus.close()
