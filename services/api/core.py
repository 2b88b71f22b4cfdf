"""What stands behind the routes: the database, the bus and the work between them.

`core = await Core.open(settings)` needs the database alone; `core.run()` is the background work and goes on without the bus.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nats.aio.client import Client

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.secrets import Vault
from services.api.apps.desired import rebuild
from services.api.bus_setup import Upkeep
from services.api.cursor import Follower
from services.api.db.database import Database
from services.api.disks.room import Room
from services.api.domains.dns import Resolver
from services.api.freshness import Freshness
from services.api.git.hub import Hub
from services.api.observations import observe
from services.api.relay import Relay
from services.api.settings import Settings
from services.api.turns import Turns
from services.api.uploads.spool import Spool
from services.api.wakes import Wakes
from services.api.webhooks.rejections import Rejections


class Core:
    """`bus` is there from the start; `bus.connected` says whether its server is. `follower` reads EVENTS into SQL.

    `notify` is set when an outgoing hook is to be told something.
    """

    def __init__(self, settings: Settings, db: Database) -> None:
        self.settings = settings
        self.db = db
        self.vault = db.vault = Vault(settings.secret_key)
        self.fresh = Freshness(db.sqlite_path)
        self.wakes = Wakes()
        self.notify = asyncio.Event()
        self.turns = Turns()
        self.hub = Hub(settings)
        self.resolver = Resolver(settings)
        self.rejections = Rejections()
        self.room = Room(settings, db)
        self.spool = Spool(Path(settings.spool or f"{settings.home}/spool"), settings.upload_max_mb * 1024**2)
        self.bus = Bus(Client(), "api")
        self.relay = Relay(db, partial(rebuild, db))
        self.look_at_bus: Callable[[], None] = lambda: None
        """Have the bus looked at now; nothing before `run`, which looks at its start."""
        self.follower = Follower(db, self.bus, self.wakes, self.relay.read_to)

    @classmethod
    async def open(cls, settings: Settings) -> "Core":
        db = await Database.open(settings.database, settings.base_domain)
        db.keep_releases = settings.keep_releases
        return cls(settings, db)

    async def run(self) -> None:
        """Connect the bus, however long it takes, and carry what is said both ways. Ends when it is cancelled."""
        setup = Bus(Client(), "setup")
        upkeep = Upkeep(self.db, self.bus, setup, self.relay, self.follower)
        self.look_at_bus = upkeep.look_soon
        try:
            await asyncio.gather(self.bus.open(self.settings.nats_url), setup.open(self.settings.nats_setup_url))
            self.relay.attach(self.bus)
            await self.bus.listen(subjects.OBSERVATION, self._observe, queue="api")
            async with asyncio.TaskGroup() as group:
                group.create_task(upkeep.run())
                await upkeep.ready.wait()
                group.create_task(self.relay.run())
                group.create_task(self.follower.run())
        finally:
            await self.bus.close()
            await setup.close()

    async def _observe(self, body: bytes) -> None:
        self.wakes.wake(await observe(self.db, body, self.room.marks))

    async def close(self) -> None:
        await self.hub.close()
        self.fresh.close()
        await self.db.close()
