"""The metrics service: what every container of this installation is doing, said every sync, and what follows for the replicas of apps."""

import asyncio
from functools import partial
from pathlib import Path

from libs.common import service
from libs.common.bus import Bus
from services.metrics.autoscale.scaler import Scaler
from services.metrics.handlers import ENGINE_EVENTS, HEARD, QUERIES
from services.metrics.history.keeper import History
from services.metrics.latest import Latest
from services.metrics.observe import Observer
from services.metrics.settings import Settings
from services.metrics.traffic import Inflow


async def serve(settings: Settings, bus: Bus) -> None:
    latest = Latest(settings.redis_url, settings.sync_seconds)
    history = History(Path(settings.home) / "metrics" / "history.db", settings.sync_seconds)
    inflow = Inflow(settings.scale_seconds)
    observer = Observer(settings, bus, latest, history, inflow)
    scaler = Scaler(bus, observer, inflow, settings.scale_seconds)
    try:
        await service.answer_pings(bus, observer.check)
        for call, answer in QUERIES.items():
            await bus.serve(call, partial(answer, observer, history))
        for subject, take in HEARD.items():
            await bus.listen(subject, partial(take, inflow))
        async with asyncio.TaskGroup() as group:
            group.create_task(history.run())
            group.create_task(observer.run())
            group.create_task(observer.sizes.run())
            group.create_task(observer.listen(ENGINE_EVENTS))
            group.create_task(scaler.run())
    finally:
        observer.close()
        history.close()
        await latest.close()


def main() -> None:
    service.run("metrics", Settings, serve)


if __name__ == "__main__":
    main()
