"""The runtime: makes containers what `desired` asks for."""

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import msgspec

from libs.common import service, subjects
from libs.common.bucket import Mirror
from libs.common.bus import Bus
from libs.common.engine.connect import Engine
from libs.common.messages.router import Applied
from libs.common.messages.runtime import Route
from libs.common.messages.scale import Scale
from services.runtime.addresses import Released
from services.runtime.endings import Endings
from services.runtime.fleet import Fleet
from services.runtime.handlers import BUCKETS, ENGINE_EVENTS, QUERIES, SESSIONS, on_unread
from services.runtime.health import report
from services.runtime.lease import Lease
from services.runtime.networks import Networks
from services.runtime.sessions import Sessions
from services.runtime.settings import Settings
from services.runtime.world import LeaseSeen, World


async def serve(settings: Settings, bus: Bus) -> None:
    """Wire the runtime and run it until it is cancelled. Containers live on."""
    folder = Path(settings.home) / "runtime"
    folder.mkdir(parents=True, exist_ok=True)
    standing: list[Fleet] = []
    await service.answer_pings(bus, partial(report, standing, bus))
    engine = await Engine.wait(settings.docker_host)
    try:
        info = await engine.info()
        world = World(settings, bus, engine, node=info.id)
        fleet = _fleet(world, folder)
        standing.append(fleet)
        await _run(world, fleet, Lease(bus, folder, info.id))
    finally:
        engine.close()


def _fleet(world: World, folder: Path) -> Fleet:
    fleet = Fleet(world, ENGINE_EVENTS)
    bus = world.bus
    world.desired_mirror = Mirror(
        bus,
        subjects.DESIRED,
        msgspec.Raw,
        on_change=partial(BUCKETS[subjects.DESIRED], fleet),
        on_unread=partial(on_unread, fleet),
    )
    world.route_mirror = Mirror(
        bus,
        subjects.ROUTES,
        Route,
        on_change=partial(BUCKETS[subjects.ROUTES], fleet),
        on_unread=partial(BUCKETS[subjects.ROUTES], fleet),
        on_listed=fleet.wake_all,
    )
    world.applied_mirror = Mirror(bus, subjects.APPLIED, Applied, on_change=partial(BUCKETS[subjects.APPLIED], fleet))
    world.lease_mirror = Mirror(bus, subjects.LEASES, LeaseSeen, on_change=partial(BUCKETS[subjects.LEASES], fleet))
    world.scale_mirror = Mirror(bus, subjects.SCALE, Scale, on_change=partial(BUCKETS[subjects.SCALE], fleet))
    world.networks = Networks(
        world.engine,
        instance=world.settings.instance,
        pool=world.settings.network_pool,
        released=Released(folder / "addresses.json"),
        in_use=fleet.addresses,
    )
    bus.reconnected.append(fleet.say_again)
    return fleet


async def _run(world: World, fleet: Fleet, lease: Lease) -> None:
    mirrors = (world.desired_mirror, world.route_mirror, world.applied_mirror, world.lease_mirror, world.scale_mirror)
    async with asyncio.TaskGroup() as tasks:
        for mirror in mirrors:
            tasks.create_task(mirror.run())
        for mirror in mirrors:
            await mirror.listed.wait()
        world.sure = lease.sure
        tasks.create_task(lease.hold(fleet.start, fleet.stop, fleet.wake_all))
        while True:
            await lease.until(held=True)
            await _answer_while(lease, world.bus, fleet)


async def _answer_while(lease: Lease, bus: Bus, fleet: Fleet) -> None:
    """A standby knows no container: who asks is answered by the one that acts."""
    async with contextlib.AsyncExitStack() as stack:
        for call, answer in QUERIES.items():
            stack.push_async_callback(await bus.serve(call, partial(answer, fleet)))
        sessions = Sessions(bus, {name: kind(fleet) for name, kind in SESSIONS.items()}, Endings(bus, fleet.world.settings.home))
        stack.push_async_callback(sessions.close)
        await sessions.recover()
        stack.push_async_callback(await bus.serve("open", sessions.open))
        await lease.until(held=False)


def main() -> None:
    service.run("runtime", Settings, serve)


if __name__ == "__main__":
    main()
