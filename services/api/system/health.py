"""How the whole installation is. Every look has a limit, so the answer comes in time even when everything is away."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, perf_counter

import msgspec
import nats.errors
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from libs.common import clock
from libs.common.messages.ping import Pong
from libs.common.version import VERSION
from services.api.core import Core
from services.api.recovery import mode
from services.api.system.pings import SERVICES, ping_all
from services.api.system.schemas import Component, Components, Status

_KEPT_SECONDS = 1.0
_LIMIT_SECONDS = 0.5
_HOLD_ENGINE = ("runtime", "builder", "metrics")
_FAULTS = (RedisError, SQLAlchemyError, nats.errors.Error, OSError, TimeoutError)


class Health:
    """`status()` is looked up at most once a second, however many ask."""

    def __init__(self, core: Core, cache: Redis | None) -> None:
        self._core = core
        self._cache = cache
        self._lock = asyncio.Lock()
        self._status: Status | None = None
        self._until = 0.0

    async def status(self) -> Status:
        async with self._lock:
            if self._status is None or monotonic() >= self._until:
                self._status = await self._look()
                self._until = monotonic() + _KEPT_SECONDS
            return self._status

    async def check(self) -> tuple[str, str]:
        """What this process answers to a ping."""
        database = await _timed(self._database)
        return ("ok", "") if database.status == "ok" else ("degraded", database.detail)

    async def _look(self) -> Status:
        pongs, bus, database, cache = await asyncio.gather(
            ping_all(self._core.bus), _timed(self._bus), _timed(self._database), _timed(self._redis)
        )
        if database.status == "ok":
            database = await self._recovery(database)
        services = {name: _service(name, pongs[name]) for name in SERVICES}
        if services["api"].status == "away":  # it is this process that answers; the bus is what is missing
            services["api"] = Component(status="ok", instances=1, latency_ms=0.0)
        components = Components(bus=bus, database=database, cache=cache, engine=_engine(pongs, services), **services)
        disks = await self._core.room.show()
        is_ok = all(each.status == "ok" for each in (*msgspec.structs.astuple(components), *disks) if each.status != "high")
        settings = self._core.settings
        return Status(
            name="dockup",
            status="ok" if is_ok else "degraded",
            version=VERSION,
            base_domain=settings.base_domain,
            url=settings.url,
            time=clock.now(),
            components=components,
            disks=disks,
        )

    async def _bus(self) -> None:
        if not self._core.bus.connected:
            raise ConnectionError("NATS does not answer; what was accepted waits in the database")
        await self._core.bus.client.flush(timeout=1)  # `_timed` ends it sooner

    async def _database(self) -> None:
        async with self._core.db.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def _recovery(self, database: Component) -> Component:
        """A database that is older than what runs answers, and still is not well."""
        async with self._core.db.connect() as connection:
            need = await mode.needed(connection)
        if need is None:
            return database
        return msgspec.structs.replace(database, status="degraded", detail=f"recovery needed: {need.reason} See: dockup recover")

    async def _redis(self) -> None:
        if self._cache is None:
            raise ConnectionError("DOCKUP_REDIS_URL is not set")
        if not await self._cache.execute_command("PING"):  # type: ignore[no-untyped-call]
            raise ConnectionError("Redis gave no answer to PING")


async def _timed(look: Callable[[], Awaitable[None]]) -> Component:
    started = perf_counter()
    try:
        await asyncio.wait_for(look(), _LIMIT_SECONDS)
    except _FAULTS as error:
        return Component(status="away", instances=0, latency_ms=None, detail=_first_line(error))
    return Component(status="ok", instances=1, latency_ms=round((perf_counter() - started) * 1000, 2))


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else f"no answer within {_LIMIT_SECONDS} s"


def _service(name: str, pongs: list[tuple[Pong, float]]) -> Component:
    """The worst of its instances; one that stands by is as good as one that works."""
    if not pongs:
        return Component(status="away", instances=0, latency_ms=None, detail=f"no {name} answers")
    bad = [pong for pong, _ in pongs if pong.status not in {"ok", "standby"}]
    latency = round(min(milliseconds for _, milliseconds in pongs), 2)
    return Component(status="degraded" if bad else "ok", instances=len(pongs), latency_ms=latency, detail=bad[0].detail if bad else "")


def _engine(pongs: dict[str, list[tuple[Pong, float]]], services: dict[str, Component]) -> Component:
    """The engine as those see it who hold its socket: its own check where they say one, else their health."""
    holders = [pong for name in _HOLD_ENGINE for pong, _ in pongs[name]]
    said = [pong.checks["engine"] for pong in holders if "engine" in pong.checks]
    is_ok = "ok" in said if said else any(pong.status in {"ok", "standby"} for pong in holders)
    if is_ok:
        return Component(status="ok", instances=1, latency_ms=None)
    details = [services[name].detail for name in _HOLD_ENGINE if services[name].detail]
    return Component(status="away", instances=0, latency_ms=None, detail=details[0] if details else "nobody who holds the engine answers")
