"""How often a command was put back on purpose: what the server counts as a delivery, and what was no failed try.

The server counts every delivery of a message durably. A planned wait is noted here first, by the count at that moment: a restart of
the worker, or a wait of days, takes no try away. Nothing is written for a command that is done at its first delivery.
"""

import msgspec
from nats.aio.msg import Msg

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """`planned` of the message's deliveries ended in a planned wait."""

    planned: int
    v: int = 1


class Waits:
    """The notes of one worker's messages. Every failure of the bus is `BusAway`."""

    def __init__(self, bus: Bus) -> None:
        self._service = bus.service
        self._bucket = Bucket(bus, subjects.WAITS, Wait)

    async def tries(self, message: Msg) -> int:
        """Which try this delivery is, from 1 on: planned waits are none."""
        delivered = message.metadata.num_delivered or 1
        return delivered if delivered == 1 else max(delivered - await self._planned(message), 1)

    async def plan(self, message: Msg) -> None:
        """Note that this delivery ends in a planned wait. Call it once a delivery, before the message is put back."""
        await self._bucket.put(self._key(message), Wait(planned=await self._planned(message) + 1))

    async def _planned(self, message: Msg) -> int:
        if (message.metadata.num_delivered or 1) == 1:
            return 0
        found = await self._bucket.get(self._key(message))
        return found[0].planned if found else 0

    def _key(self, message: Msg) -> str:
        """A message of a stream that was made anew may have a number that was used before, but not at the same moment."""
        about = message.metadata
        return f"{self._service}.{about.sequence.stream}.{about.timestamp.timestamp():.6f}"
