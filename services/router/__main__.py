import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING

import msgspec
import structlog

from libs.common import service, subjects
from libs.common.bucket import Mirror
from libs.common.bus import Bus
from libs.common.messages.router import Applied, RouterLease
from libs.common.messages.runtime import Route
from services.router import haproxy, identity, ports
from services.router.announce import Announcer, hold_lease
from services.router.apply import Applier
from services.router.certificates import Authority
from services.router.drain import Drains
from services.router.files import Files
from services.router.frame import Frame, api_hosts
from services.router.handlers import BUCKETS, Router
from services.router.identity import Identity
from services.router.own import Own
from services.router.proxy import Proxy
from services.router.settings import Settings
from services.router.shown import Shown
from services.router.table import Stored, Table
from services.router.traffic import Reporter
from services.router.waker import Waker

if TYPE_CHECKING:
    from services.router.issued import Issued

_DAY = 86_400.0
_LOOK_SECONDS = 10.0
_FIRST_SECONDS = 60.0
_JUMP_SECONDS = 60.0

logger = structlog.get_logger()


async def serve(settings: Settings, bus: Bus) -> None:
    """Wire the router and run it until it is cancelled. HAProxy lives on."""
    files = Files(settings.home)
    files.make()
    me = identity.load(files)
    table = _table(settings, files)
    process = haproxy.HAProxy(files)
    own = Own(settings.certificates)
    own.look()
    issued = _issued(settings=settings, bus=bus, files=files, table=table, own=own, router_id=me.router_id)
    shown = _shown(settings, files, own, issued)
    applier = Applier(table=table, frame=_frame(settings, files, me), haproxy=process, shown=shown)
    announcer = Announcer(bus, me.router_id)
    drains = Drains(table=table, files=files, applier=applier, announcer=announcer)
    listed = asyncio.Event()
    waker = Waker(bus, table, name=_waker_name(me), seconds=settings.router_wake_seconds)
    reporter = Reporter(
        bus=bus, router_id=me.router_id, table=table, files=files, applier=applier, waker=waker, seconds=settings.scale_seconds
    )
    proxy = Proxy(settings=settings, files=files, table=table, haproxy=process, applier=applier, listed=listed)
    router = Router(table=table, proxy=proxy, applier=applier, announcer=announcer, drains=drains, waker=waker)
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

    def problems() -> str:
        return proxy.problem or router.problem or applier.refusals.problem or waker.problem or (shown.problem if shown else "")

    async with asyncio.TaskGroup() as tasks:
        for work in (
            _answer_pings(bus, partial(_health, problems, routes, announcer.mirror)),
            routes.run(),
            announcer.mirror.run(),
            announcer.run(),
            proxy.keep(),
            router.run(),
            router.retry(),
            waker.serve(),
            drains.run(),
            reporter.run(proxy.serving),
            applier.disk.save_for_ever(),
            applier.reap_for_ever(),
            _renew_in_time(applier),
            _follow_files(own, shown, applier),
            *([issued.run(applier)] if issued else []),
            hold_lease(bus, _lease(settings, me), proxy.serving),
        ):
            tasks.create_task(work)


def _table(settings: Settings, files: Files) -> Table:
    table = Table(capacity=settings.router_backends, reserved=api_hosts(settings))
    try:
        table.restore(msgspec.json.decode(files.table.read_bytes(), type=Stored))
    except FileNotFoundError:
        pass  # the first start
    except (OSError, msgspec.DecodeError) as error:
        logger.error("router.table_unreadable", error=str(error))  # noqa: TRY400 - the routes come from the bus as well
    return table


def _frame(settings: Settings, files: Files, me: Identity) -> Frame:
    return Frame(
        settings=settings,
        files=files,
        probe_token=me.probe_token,
        waker=_waker_name(me),
        maxconn=haproxy.connections(),
        threads=haproxy.threads(),
        binds=ports.binds(settings.bind),
        drop_to=haproxy.lesser_user(),
    )


def _waker_name(me: Identity) -> str:
    return f"dockup-waker-{me.router_id}"


def _shown(settings: Settings, files: Files, own: Own, issued: "Issued | None") -> Shown | None:
    if settings.tls == "off":
        return None
    hosts = api_hosts(settings)
    authority = Authority(files, settings.instance, {hosts[0]: hosts})
    return Shown(files, authority, [own.find, *([issued.find] if issued else [])])


def _issued(*, settings: Settings, bus: Bus, files: Files, table: Table, own: Own, router_id: str) -> "Issued | None":
    if settings.tls != "acme":
        return None
    from services.router.issued import Issued  # noqa: PLC0415 - it brings the client, which most do not need

    return Issued(settings=settings, bus=bus, files=files, table=table, own=own, router_id=router_id)


def _lease(settings: Settings, me: Identity) -> RouterLease:
    return RouterLease(
        router_id=me.router_id,
        address=settings.bind or "127.0.0.1",
        http_port=settings.http_port,
        https_port=None if settings.tls == "off" else settings.https_port,
        probe_token=me.probe_token,
    )


async def _health(problems: Callable[[], str], routes: Mirror[Route], applied: Mirror[Applied]) -> tuple[str, str]:
    unread = [f"{subjects.ROUTES}/{key}: {why}" for key, why in sorted(routes.unread.items())]
    unread += [f"{subjects.APPLIED}/{key}: {why}" for key, why in sorted(applied.unread.items())]
    passed = f"{len(unread)} entries of the bus cannot be read and are passed over: {unread[0]}" if unread else ""
    problem = problems() or passed
    return ("degraded", problem) if problem else ("ok", "")


async def _answer_pings(bus: Bus, check: service.Check) -> None:
    """The router starts without the bus: apps have to be served all the same."""
    connected = asyncio.Event()
    bus.reconnected.append(connected.set)
    if not bus.connected:
        await connected.wait()
    await service.answer_pings(bus, check)


async def _renew_in_time(applier: Applier) -> None:
    """Soon after the start, daily, and when the clock was put elsewhere or the machine slept: then other certificates hold than before."""
    due, ahead = monotonic() + _FIRST_SECONDS, time() - monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if monotonic() < due and abs(time() - monotonic() - ahead) < _JUMP_SECONDS:
            continue
        due, ahead = monotonic() + _DAY, time() - monotonic()
        try:
            await applier.renew()
        except Exception:  # the next day tries again, long before the certificates end
            logger.exception("certificates.not_renewed")


async def _follow_files(own: Own, shown: Shown | None, applier: Applier) -> None:
    """A file that the operator changes is shown within seconds. What fails holds up nothing else, and is tried again at the next look."""
    looks = [own.look, *([shown.look] if shown else [])]
    changed = False
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        for look in looks:
            changed |= await _looked(look)
        try:
            if changed:
                await applier.renew()
            changed = False
        except Exception:
            logger.exception("certificates.own_not_shown")


async def _looked(look: Callable[[], bool]) -> bool:
    try:
        return await asyncio.to_thread(look)
    except Exception:  # a disk that is full, or a folder that is being changed
        logger.exception("certificates.not_looked_at")
        return False


def main() -> None:
    service.run("router", Settings, serve, needs_bus=False)


if __name__ == "__main__":
    main()
