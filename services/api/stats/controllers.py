"""The routes of an app's stats."""

from litestar import Controller, Response, get

from services.api.apps.lookup import id_to_read
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.stats import exposition, service
from services.api.stats.schemas import History, Minutes, Replica, Stats


class StatsController(Controller):
    tags = ("Stats",)

    @get("/apps/{app:str}/stats", guards=[scope("read")])
    async def get_app_stats(self, *, core: TheCore, principal: ThePrincipal, app: InPath) -> Stats:
        """What the app uses now, straight from the kernel's counters: sums, and each replica."""
        return await service.now(core.bus, await id_to_read(core, principal, app))

    @get("/apps/{app:str}/stats/history", guards=[scope("read")])
    async def get_app_stats_history(
        self, *, core: TheCore, principal: ThePrincipal, app: InPath, minutes: Minutes = 60, replica: Replica = None
    ) -> History:
        """What the app used: 30 s for a day back, 5 min for 30 days, an hour for a year, in at most 1,000 points."""
        return await service.history(core.bus, await id_to_read(core, principal, app), minutes, replica)

    @get("/apps/{app:str}/metrics", guards=[scope("read")])
    async def get_app_metrics(self, *, core: TheCore, principal: ThePrincipal, app: InPath) -> Response[str]:
        """What the app uses now and what passed to it, as Prometheus reads it: a scrape of this address is authenticated as any call."""
        app_id = await id_to_read(core, principal, app)
        text = exposition.write(app_id, await service.ask(core.bus, app_id))
        return Response(text, media_type=exposition.CONTENT_TYPE)
