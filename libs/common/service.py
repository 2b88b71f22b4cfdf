"""What every service's `__main__` does: settings, logs, the bus, `ping`, and an orderly end on SIGTERM."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import uvloop
from nats.aio.client import Client

from libs.common import ids, log
from libs.common.bus import Bus
from libs.common.config import Common, SettingError, load
from libs.common.messages.ping import Pong
from libs.common.version import VERSION

T = TypeVar("T", bound=Common)
Check = Callable[[], Awaitable[tuple[str, str]]]
"""Says `ok`, `standby` or `degraded`, and why."""

logger = structlog.get_logger()


def run(service: str, settings_type: type[T], main: Callable[[T, Bus], Awaitable[None]], *, needs_bus: bool = True) -> None:
    """Run `main(settings, bus)` until it ends or the process is told to. A wrong setting ends the process with status 2.

    Without `needs_bus` it starts before the bus is connected, and looks at `bus.connected` and `bus.reconnected` itself.
    """
    try:
        settings = load(settings_type)
    except SettingError as error:
        sys.stderr.write(f"{service}: {error}\n")
        raise SystemExit(2) from error
    log.configure(service, settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(service, settings, main, needs_bus=needs_bus))


async def _until_told(service: str, settings: T, main: Callable[[T, Bus], Awaitable[None]], *, needs_bus: bool) -> None:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(_work(service, settings, main, needs_bus=needs_bus))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    logger.info("service.starting", pid=os.getpid(), version=VERSION)
    try:
        await work
    except asyncio.CancelledError:
        logger.info("service.stopped")


async def _work(service: str, settings: T, main: Callable[[T, Bus], Awaitable[None]], *, needs_bus: bool) -> None:
    bus = Bus(Client(), service)
    opening = asyncio.ensure_future(bus.open(settings.nats_url))
    try:
        if needs_bus:
            await opening
        await main(settings, bus)
    finally:
        opening.cancel()
        await bus.close()


async def answer_pings(bus: Bus, check: Check) -> None:
    """Answer `dockup.rpc.<service>.ping` from every instance; `/system/status` counts the answers."""
    instance, host = ids.new(bus.service), socket.gethostname()

    async def ping(_body: bytes) -> Pong:
        status, detail = await check()
        return Pong(service=bus.service, host=host, instance=instance, version=VERSION, status=status, detail=detail)

    await bus.serve("ping", ping, queue="")
