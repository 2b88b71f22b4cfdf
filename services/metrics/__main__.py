"""The metrics service: what every container of this installation is doing, said every sync."""

import asyncio

from libs.common import service
from libs.common.bus import Bus
from services.metrics.handlers import ENGINE_EVENTS
from services.metrics.latest import Latest
from services.metrics.observe import Observer
from services.metrics.settings import Settings


async def serve(settings: Settings, bus: Bus) -> None:
    latest = Latest(settings.redis_url, settings.sync_seconds)
    observer = Observer(settings, bus, latest)
    try:
        await service.answer_pings(bus, observer.check)
        async with asyncio.TaskGroup() as group:
            group.create_task(observer.run())
            group.create_task(observer.listen(ENGINE_EVENTS))
    finally:
        observer.close()
        await latest.close()


def main() -> None:
    service.run("metrics", Settings, serve)


if __name__ == "__main__":
    main()
