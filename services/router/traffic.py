"""Says what passed through the proxy, every few seconds: `Traffic`."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic

import msgspec
import structlog

from libs.common import clock, subjects
from libs.common.bus import Bus, BusAway
from libs.common.messages.router import MOST_APPS, RESPONSE_BOUNDS, AppTraffic, Traffic
from services.router import placed, runtime_api, timing
from services.router.apply import Applier
from services.router.files import Files
from services.router.meter import Counts, Meter, read, with_open
from services.router.table import Table
from services.router.waker import Waker

_STAT = "show stat -1 2 -1"
"""The rows of backends alone."""
_TABLE = f"show table {timing.TIMES}"
_PLACED = f"show table {placed.BACKEND}"

logger = structlog.get_logger()


def parts(router_id: str, number: int, seconds: float, apps: Sequence[AppTraffic]) -> list[Traffic]:
    """One word, in as many messages as the bus needs; one where nothing passed."""
    at = clock.now()
    return [
        Traffic(
            router_id=router_id,
            at=at,
            interval_seconds=seconds,
            number=number,
            bounds=RESPONSE_BOUNDS,
            apps=tuple(apps[start : start + MOST_APPS]),
        )
        for start in range(0, max(len(apps), 1), MOST_APPS)
    ]


class Reporter:
    """What could not be said is said with the next word: counters are compared with those that were told of last."""

    def __init__(self, *, bus: Bus, router_id: str, table: Table, files: Files, applier: Applier, waker: Waker, seconds: float) -> None:
        self._bus = bus
        self._router_id = router_id
        self._table = table
        self._files = files
        self._applier = applier
        self._waker = waker
        self._seconds = seconds
        self._meter = Meter()
        self._told = monotonic()
        self._told_placed: Counter[str] = Counter()
        self._number = 0

    async def run(self, serving: asyncio.Event) -> None:
        while True:
            await serving.wait()
            try:
                await self._say()
            except runtime_api.Away as error:
                logger.info("traffic.unseen", error=str(error))
            except BusAway as error:
                logger.info("traffic.unheard", error=str(error))
            except Exception:  # what cannot be read must not end the router
                logger.exception("traffic.failed")
            await asyncio.sleep(self._seconds)

    async def _say(self) -> None:
        workers, now = await self._look(), monotonic()
        passed, placed = self._meter.passed(workers), self._waker.placed.copy()
        self._number += 1
        words = parts(self._router_id, self._number, round(now - self._told, 3), self._of_apps(passed, placed - self._told_placed))
        for word in words:
            await self._bus.broadcast(subjects.TRAFFIC, word)
            # What is said is said: should the bus go before the rest, that is lost, but nothing counts twice.
            self._meter.keep(workers)
            self._told, self._told_placed = now, placed

    def _of_apps(self, passed: dict[int, AppTraffic], placed: Mapping[str, int]) -> list[AppTraffic]:
        apps = {slot: app_id for app_id, slot in self._table.slots.items()}
        found = {apps[slot]: msgspec.structs.replace(each, app_id=apps[slot]) for slot, each in passed.items() if slot in apps}
        for app_id, count in placed.items():
            known = found.get(app_id, AppTraffic(app_id=app_id))
            found[app_id] = msgspec.structs.replace(known, requests=known.requests + count)
        return list(found.values())

    async def _look(self) -> dict[int, dict[int, Counts]]:
        """Every worker's counters, those of before a reload too, by process id."""
        info, stat, table = await runtime_api.ask(self._files.admin, ["show info", _STAT, _TABLE])
        pid = runtime_api.pid_in(info)
        if not self._applier.knows(pid):
            await self._applier.look_again()
        found = {pid: read(stat, table)}
        for old in self._applier.replaced.pids:
            commands = (_STAT, _TABLE, _PLACED)
            stat, table, by_replica = [await runtime_api.ask_master(self._files.master, f"@!{old} {command}") for command in commands]
            if stat.startswith("# pxname"):  # it ends when its last session does
                found[old] = with_open(read(stat, table), self._by_slot(placed.sessions(by_replica)))
        return found

    def _by_slot(self, sessions: dict[str, int]) -> dict[int, int]:
        """By the app's backend what is told by replica: an app of which something is open is not idle."""
        found: Counter[int] = Counter()
        if sessions:
            for app_id, slot in self._table.slots.items():
                found.update({slot: sum(sessions.get(up.name, 0) for up in self._table.upstreams(app_id))})
        return +found
