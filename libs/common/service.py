"""What every service's `__main__` does: settings, logs, the bus, `ping`, and an orderly end on SIGTERM."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import uvloop

from libs.common import ids, log
from libs.common.bus import Bus
from libs.common.config import Common, SettingError, load
from libs.common.messages.ping import Pong

VERSION = "0.1.0"
T = TypeVar("T", bound=Common)
Check = Callable[[], Awaitable[tuple[str, str]]]
"""Says `ok`, `standby` or `degraded`, and why."""

logger = structlog.get_logger()


def run(service: str, settings_type: type[T], main: Callable[[T, Bus], Awaitable[None]]) -> None:
    """Run `main(settings, bus)` until it ends or the process is told to. A wrong setting ends the process with status 2."""
    try:
        settings = load(settings_type)
    except SettingError as error:
        sys.stderr.write(f"{service}: {error}\n")
        raise SystemExit(2) from error
    log.configure(service, settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(service, settings, main))


async def _until_told(service: str, settings: T, main: Callable[[T, Bus], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(_work(service, settings, main))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    logger.info("service.starting", pid=os.getpid(), version=VERSION)
    try:
        await work
    except asyncio.CancelledError:
        logger.info("service.stopped")


async def _work(service: str, settings: T, main: Callable[[T, Bus], Awaitable[None]]) -> None:
    bus = await Bus.connect(settings.nats_url, service)
    try:
        await main(settings, bus)
    finally:
        await bus.close()


async def answer_pings(bus: Bus, check: Check) -> None:
    """Answer `dockup.rpc.<service>.ping` from every instance; `/system/status` counts the answers."""
    instance = ids.new(bus.service)

    async def ping(_body: bytes) -> Pong:
        status, detail = await check()
        return Pong(service=bus.service, instance=instance, version=VERSION, status=status, detail=detail)

    await bus.serve("ping", ping, queue="")
