"""Routes of jobs."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import JSONBody

from services.api.apps import lookup
from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, check_cursor
from services.api.idempotency import Answer, once
from services.api.jobs import service
from services.api.jobs.schemas import Job, JobPage, JobUpdate, NewJob
from services.api.secrets.commands import shown_to

_PREFIX = "job_"


class JobController(Controller):
    path = "/apps/{app:str}/jobs"
    tags = ("Jobs",)

    @get(guards=[scope("read")])
    async def list_jobs(self, *, core: TheCore, principal: ThePrincipal, app: InPath, limit: Limit = 50, cursor: Cursor = None) -> JobPage:
        """The app's jobs, oldest first, each with its last run. Who may not write reads commands with the secrets in them masked."""
        async with core.db.read() as session:
            row, having = await lookup.to_read(session, principal, app)
            shown = await shown_to(session, core.vault, row, principal, having)
            return await service.page(session, row, limit, check_cursor(cursor, _PREFIX), shown)

    @post(guards=[scope("write")])
    async def create_job(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, data: JSONBody[NewJob]
    ) -> Response[Job]:
        """Have a command run by the clock: cron's five fields, in a time zone. What was missed is run once, not as often as missed."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            made = await service.create(tx, row, data)
            return Answer(status=201, body=msgspec.json.encode(made), headers={"Location": made.links["self"]})

        return reply(await once(core, request, principal, effect))

    @get("/{job_id:str}", guards=[scope("read")])
    async def get_job(self, *, core: TheCore, principal: ThePrincipal, app: InPath, job_id: InPath) -> Job:
        """One job. Its history: GET /apps/{app}/runs?job_id=."""
        async with core.db.read() as session:
            row, having = await lookup.to_read(session, principal, app)
            return await service.get(session, row, job_id, await shown_to(session, core.vault, row, principal, having))

    @put("/{job_id:str}", guards=[scope("write")])
    async def update_job(self, *, core: TheCore, principal: ThePrincipal, app: InPath, job_id: InPath, data: JSONBody[JobUpdate]) -> Job:
        """Change a job; what is left out keeps its value."""
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            return await service.update(tx, row, job_id, data)

    @delete("/{job_id:str}", guards=[scope("write")])
    async def delete_job(self, *, core: TheCore, principal: ThePrincipal, app: InPath, job_id: InPath) -> None:
        """Delete a job. Its runs stay, and one that is open goes on."""
        async with core.db.begin() as tx:
            row = await lookup.to_change(tx, principal, app, "write")
            await service.remove(tx, row, job_id)
