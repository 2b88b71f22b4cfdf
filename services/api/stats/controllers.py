"""The routes of an app's stats."""

from litestar import Controller, get

from services.api.apps.lookup import id_to_read
from services.api.core import Core
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.stats import service
from services.api.stats.schemas import History, Minutes, Replica, Stats


class StatsController(Controller):
    tags = ("Stats",)

    @get("/apps/{app:str}/stats", guards=[scope("read")])
    async def get_app_stats(self, *, core: Core, principal: Principal, app: str) -> Stats:
        """What the app uses now, straight from the kernel's counters: sums, and each replica."""
        return await service.now(core.bus, await id_to_read(core, principal, app))

    @get("/apps/{app:str}/stats/history", guards=[scope("read")])
    async def get_app_stats_history(
        self, *, core: Core, principal: Principal, app: str, minutes: Minutes = 60, replica: Replica = None
    ) -> History:
        """What the app used: 30 s for a day back, 5 min for 30 days, an hour for a year, in at most 1,000 points."""
        return await service.history(core.bus, await id_to_read(core, principal, app), minutes, replica)
