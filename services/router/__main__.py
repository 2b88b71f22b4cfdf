import asyncio
from functools import partial

import msgspec
import structlog

from libs.common import service, subjects
from libs.common.bucket import Mirror
from libs.common.bus import Bus
from libs.common.messages.router import Applied, RouterLease
from libs.common.messages.runtime import Route
from services.router import haproxy, identity, ports, render
from services.router.announce import Announcer, hold_lease
from services.router.apply import Applier
from services.router.certificates import Authority
from services.router.drain import Drains
from services.router.files import Files
from services.router.handlers import BUCKETS, Router
from services.router.identity import Identity
from services.router.proxy import Proxy
from services.router.settings import Settings
from services.router.table import Stored, Table

_DAY = 86_400.0

logger = structlog.get_logger()


async def serve(settings: Settings, bus: Bus) -> None:
    """Wire the router and run it until it is cancelled. HAProxy lives on."""
    files = Files(settings.home)
    files.make()
    me = identity.load(files)
    table = _table(settings, files)
    process = haproxy.HAProxy(files)
    applier = Applier(table=table, frame=_frame(settings, files, me), haproxy=process, authority=_authority(settings, files))
    announcer = Announcer(bus, me.router_id)
    drains = Drains(table=table, files=files, applier=applier, announcer=announcer)
    listed = asyncio.Event()
    proxy = Proxy(settings=settings, files=files, table=table, haproxy=process, applier=applier, listed=listed)
    router = Router(table=table, proxy=proxy, applier=applier, announcer=announcer, drains=drains)
    await proxy.introduce()
    routes = Mirror(
        bus,
        subjects.ROUTES,
        Route,
        on_change=partial(BUCKETS[subjects.ROUTES], router=router),
        on_listed=lambda: table.forget(routes.entries),
    )
    routes.listed = listed
    # What the disk remembers is said again where the bus forgot it.
    router.touch(table.routes)
    async with asyncio.TaskGroup() as tasks:
        for work in (
            _answer_pings(bus, partial(_health, proxy, router, routes, announcer.mirror)),
            routes.run(),
            announcer.mirror.run(),
            announcer.run(),
            proxy.keep(),
            router.run(),
            drains.run(),
            applier.save_for_ever(),
            applier.reap_for_ever(),
            _renew_daily(applier),
            hold_lease(bus, _lease(settings, me), proxy.serving),
        ):
            tasks.create_task(work)


def _table(settings: Settings, files: Files) -> Table:
    table = Table(capacity=settings.router_backends, reserved=render.api_hosts(settings))
    try:
        table.restore(msgspec.json.decode(files.table.read_bytes(), type=Stored))
    except FileNotFoundError:
        pass  # the first start
    except (OSError, msgspec.DecodeError) as error:
        logger.error("router.table_unreadable", error=str(error))  # noqa: TRY400 - the routes come from the bus as well
    return table


def _frame(settings: Settings, files: Files, me: Identity) -> render.Frame:
    return render.Frame(
        settings=settings,
        files=files,
        probe_token=me.probe_token,
        maxconn=haproxy.connections(),
        threads=haproxy.threads(),
        binds=ports.binds(settings.bind),
        drop_to=haproxy.lesser_user(),
    )


def _authority(settings: Settings, files: Files) -> Authority | None:
    if settings.tls == "off":
        return None
    hosts = render.api_hosts(settings)
    return Authority(files, settings.instance, {hosts[0]: hosts})


def _lease(settings: Settings, me: Identity) -> RouterLease:
    return RouterLease(
        router_id=me.router_id,
        address=settings.bind or "127.0.0.1",
        http_port=settings.http_port,
        https_port=None if settings.tls == "off" else settings.https_port,
        probe_token=me.probe_token,
    )


async def _health(proxy: Proxy, router: Router, routes: Mirror[Route], applied: Mirror[Applied]) -> tuple[str, str]:
    unread = [f"{subjects.ROUTES}/{key}: {why}" for key, why in sorted(routes.unread.items())]
    unread += [f"{subjects.APPLIED}/{key}: {why}" for key, why in sorted(applied.unread.items())]
    passed = f"{len(unread)} entries of the bus cannot be read and are passed over: {unread[0]}" if unread else ""
    problem = proxy.problem or router.problem or passed
    return ("degraded", problem) if problem else ("ok", "")


async def _answer_pings(bus: Bus, check: service.Check) -> None:
    """The router starts without the bus: apps have to be served all the same."""
    connected = asyncio.Event()
    bus.reconnected.append(connected.set)
    if not bus.connected:
        await connected.wait()
    await service.answer_pings(bus, check)


async def _renew_daily(applier: Applier) -> None:
    while True:
        await asyncio.sleep(_DAY)
        try:
            await applier.renew()
        except Exception:  # the next day tries again, long before the certificates end
            logger.exception("certificates.not_renewed")


def main() -> None:
    service.run("router", Settings, serve, needs_bus=False)


if __name__ == "__main__":
    main()
