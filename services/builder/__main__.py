"""The builder: takes commands from the bus and makes images of what they name."""

import asyncio
from pathlib import Path

from libs.common import service
from libs.common.bus import Bus
from libs.common.engine.connect import Engine
from libs.common.worker import Worker
from services.builder.desired import Deleted
from services.builder.handlers import bind
from services.builder.health import Health
from services.builder.room import Room
from services.builder.settings import Settings


async def serve(settings: Settings, bus: Bus) -> None:
    deleted = Deleted(bus)
    health = Health(deleted)
    await service.answer_pings(bus, health.check)
    engine = await Engine.wait(settings.docker_host)
    handlers = bind(
        engine=engine,
        bus=bus,
        deleted=deleted,
        pull_seconds=settings.pull_seconds,
        spool=Path(settings.spool or f"{settings.home}/spool"),
        upload_bytes=settings.upload_max_mb * 1024**2,
        room=Room(engine, settings.docker_host, settings.disk_full_percent),
    )
    worker = Worker(bus, handlers, count=settings.workers, ready=health.ready)
    health.watch(engine, worker)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(deleted.run())
            group.create_task(worker.run())
    finally:
        engine.close()


def main() -> None:
    service.run("builder", Settings, serve)


if __name__ == "__main__":
    main()
