"""Asks every instance of every service how it is, over the bus, within a third of a second."""

import asyncio
from time import perf_counter

import msgspec
import nats.errors
from nats.aio.msg import Msg

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.messages.ping import Pong

SERVICES = ("api", "builder", "runtime", "metrics", "router")
_LIMIT_SECONDS = 0.3
_QUIET_SECONDS = 0.03
_NO_RESPONDERS = "503"


class Round:
    """One round of pings. `pongs` by service, each with the milliseconds it took."""

    def __init__(self) -> None:
        self.pongs: dict[str, list[tuple[Pong, float]]] = {name: [] for name in SERVICES}
        self._started = perf_counter()
        self._nobody: set[str] = set()
        self._heard = asyncio.Event()

    async def take(self, message: Msg) -> None:
        service = message.subject.rsplit(".", 1)[-1]
        if (message.headers or {}).get("Status") == _NO_RESPONDERS:
            self._nobody.add(service)
        else:
            pong = msgspec.json.decode(message.data, type=Pong)
            self.pongs[service].append((pong, (perf_counter() - self._started) * 1000))
        self._heard.set()

    async def collect(self) -> None:
        """Wait until every service answered and then until it is quiet: there may be more instances."""
        until = perf_counter() + _LIMIT_SECONDS
        while (left := until - perf_counter()) > 0:
            complete = all(self.pongs[name] or name in self._nobody for name in SERVICES)
            self._heard.clear()
            try:
                await asyncio.wait_for(self._heard.wait(), min(left, _QUIET_SECONDS) if complete else left)
            except TimeoutError:
                return


async def ping_all(bus: Bus) -> dict[str, list[tuple[Pong, float]]]:
    """What answered; empty lists while the bus is away."""
    found = Round()
    if not bus.connected:
        return found.pongs
    inbox = bus.client.new_inbox()
    try:
        subscription = await bus.client.subscribe(f"{inbox}.*", cb=found.take)
        try:
            for service in SERVICES:
                await bus.client.publish(subjects.query(service, "ping"), b"{}", reply=f"{inbox}.{service}")
            await found.collect()
        finally:
            await subscription.unsubscribe()
    except (nats.errors.Error, OSError):
        return found.pongs  # the bus went while we asked: who has not answered is away
    return found.pongs
