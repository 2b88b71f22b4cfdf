"""The builder: takes commands from the bus and makes images of what they name."""

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import structlog

from libs.common import egress, service
from libs.common.bus import Bus
from libs.common.engine.connect import Engine
from libs.common.messages.builder import CheckRegistry, RegistryChecked
from libs.common.secrets import Vault
from libs.common.worker import Worker
from services.builder import registry, work
from services.builder.build import cache, claims, limits
from services.builder.build.bases import Bases
from services.builder.build.claims import Claims
from services.builder.build.late import Late
from services.builder.build.limits import Limits
from services.builder.build.run import Builder
from services.builder.desired import Deleted
from services.builder.from_source import Site
from services.builder.handlers import bind
from services.builder.health import Health
from services.builder.patience import patiently
from services.builder.private import Door
from services.builder.room import Room
from services.builder.settings import Settings
from services.builder.source import fetch
from services.builder.words import Event

_MEGABYTE = 1024**2

logger = structlog.get_logger()


async def serve(settings: Settings, bus: Bus) -> None:
    deleted = Deleted(bus)
    health = Health(deleted)
    await service.answer_pings(bus, health.check)
    late = Late(Path(settings.home))
    for attempt in work.sweep(Path(settings.home)):
        logger.info("build.swept", attempt=attempt)
        late.note(attempt)
    engine = await Engine.wait(settings.docker_host)
    site = await _site(settings, bus, engine, deleted, late)
    handlers = bind(
        site,
        pull_seconds=settings.pull_seconds,
        spool=Path(settings.spool or f"{settings.home}/spool"),
        upload_bytes=settings.upload_max_mb * _MEGABYTE,
    )
    await Door(engine, site.home).sweep()
    await bus.serve("registry_check", partial(_check, site), queue="builder")
    worker = Worker(bus, handlers, count=settings.workers, ready=health.ready)
    health.watch(engine, worker, site.builder)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(deleted.run())
            group.create_task(worker.run())
            group.create_task(late.keep_removed(engine))
            group.create_task(cache.keep_bounded(engine, settings.build_cache_mb * _MEGABYTE))
    finally:
        engine.close()


async def _check(site: Site, body: bytes) -> RegistryChecked:
    return await registry.check(msgspec.json.decode(body, type=CheckRegistry), vault=site.vault, allowed=site.allowed)


async def _site(settings: Settings, bus: Bus, engine: Engine, deleted: Deleted, late: Late) -> Site:
    async def say(event: Event) -> None:
        await bus.say(event, event.app_id)

    home = Path(settings.home)
    allowed = egress.parse(settings.egress_allow)
    room = Room(engine, settings.docker_host, settings.disk_full_percent)
    values = limits.wanted(
        await patiently(engine.info), memory_mb=settings.build_memory_mb, cpus=settings.build_cpus, pids=settings.build_pids
    )
    held = Limits(values, Claims(claims.folder(home)))
    held.settle()
    return Site(
        engine=engine,
        bus=bus,
        say=say,
        deleted=deleted,
        room=room,
        vault=Vault(settings.secret_key),
        builder=Builder(
            settings.docker_host,
            held,
            room,
            seconds=settings.build_seconds,
            disk_mb=settings.build_disk_mb,
            bases=Bases(Door(engine, home), allowed),
            late=late,
        ),
        turns=work.Turns(home, settings.builds_at_once),
        home=home,
        allowed=allowed,
        limits=fetch.Limits(seconds=settings.clone_seconds, bytes=settings.source_max_mb * _MEGABYTE, files=settings.source_max_files),
        base_images=settings.replaced_images,
    )


def main() -> None:
    service.run("builder", Settings, serve)


if __name__ == "__main__":
    main()
