"""What stands behind the routes: the database, the bus and the work between them.

`core = await Core.open(settings)` needs the database alone; `core.run()` is the background work and goes on without the bus.
"""

import asyncio

from libs.common.bus import Bus
from libs.common.secrets import Vault
from services.api.db.database import Database
from services.api.freshness import Freshness
from services.api.settings import Settings
from services.api.wakes import Wakes


class Core:
    """`bus` is None until it was reached for the first time; later `bus.connected` says whether it is there."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self.settings = settings
        self.db = db
        self.vault = Vault(settings.secret_key)
        self.fresh = Freshness(db.sqlite_path)
        self.wakes = Wakes()
        self.bus: Bus | None = None

    @classmethod
    async def open(cls, settings: Settings) -> "Core":
        return cls(settings, await Database.open(settings.database))

    async def run(self) -> None:
        """Connect the bus, however long it takes, and carry what is said both ways. Ends when it is cancelled."""
        self.bus = await Bus.connect(self.settings.nats_url, "api")
        try:
            await asyncio.Event().wait()
        finally:
            await self.bus.close()

    async def close(self) -> None:
        self.fresh.close()
        await self.db.close()
