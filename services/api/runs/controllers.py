"""Routes of runs."""

from typing import Any

import msgspec
from litestar import Controller, MediaType, Request, Response, get, post
from litestar.params import JSONBody
from sqlalchemy import select

from libs.common.states import OPEN_RUNS
from services.api.apps import lookup
from services.api.apps.desired import desire
from services.api.apps.grammar import to_words
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.replies import reply
from services.api.http.strict import Cursor, Limit, Wait, check_cursor
from services.api.idempotency import Answer, once
from services.api.runs import moves, service
from services.api.runs.models import RunRow
from services.api.runs.schemas import NewRun, OfJob, Run, RunLog, RunPage, Tail
from services.api.secrets.commands import shown_to

_PREFIX = "run_"
_KINDS = [MediaType.JSON.value, MediaType.TEXT.value]


class RunController(Controller):
    path = "/apps/{app:str}/runs"
    tags = ("Runs",)

    @get(guards=[scope("read")])
    async def list_runs(
        self, *, core: TheCore, principal: ThePrincipal, app: InPath, limit: Limit = 50, cursor: Cursor = None, job_id: OfJob = None
    ) -> RunPage:
        """The runs of an app, the newest first, those of its jobs among them. They are kept for 30 days.

        Who may not write reads commands with the secrets in them masked.
        """
        async with core.db.read() as session:
            row, having = await lookup.to_read(session, principal, app)
            shown = await shown_to(session, core.vault, row, principal, having)
            return await service.page(session, row, limit, check_cursor(cursor, _PREFIX), job_id, shown=shown)

    @post(status_code=202, guards=[scope("write")])
    async def create_run(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        data: JSONBody[NewRun],
        wait: Wait = None,
    ) -> Response[Run]:
        """Run a command once, in a fresh container of the image, env and limits that the app has now. With `wait` the answer is held.

        However the command ends, the answer is then 200: `status` and `exit_code` say how.
        """
        command = to_words(data.command)

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            made = moves.begin(tx, row, command, data.timeout_seconds, principal.actor)
            desire(tx, row)
            view = service.to_view(made)
            return Answer(status=202, body=msgspec.json.encode(view), headers={"Location": view.links["self"]}, follow=made.id)

        return await _follow(core, principal, app, await once(core, request, principal, effect), wait)

    @get("/{run_id:str}", guards=[scope("read")])
    async def get_run(self, *, core: TheCore, principal: ThePrincipal, app: InPath, run_id: InPath) -> Run:
        """One run: how it goes, or how it ended."""
        async with core.db.read() as session:
            row, having = await lookup.to_read(session, principal, app)
            shown = await shown_to(session, core.vault, row, principal, having)
            return service.to_view(await service.get(session, row, run_id), shown)

    @get("/{run_id:str}/logs", guards=[scope("read")])
    async def get_run_logs(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, run_id: InPath, tail: Tail = 1_000
    ) -> Response[RunLog]:
        """What the command wrote, while it runs and for 14 days after. `Accept: text/plain` gives the messages alone."""
        async with core.db.read() as session:
            row, _ = await lookup.to_read(session, principal, app)
            run = await service.get(session, row, run_id)
        found = await service.log_of(core.bus, run, tail)
        if request.accept.best_match(_KINDS, default=MediaType.JSON.value) == MediaType.TEXT:
            text = "".join(f"{line.message}\n" for line in found.items)
            return Response(text, media_type=MediaType.TEXT)  # type: ignore[arg-type]
        return Response(found, media_type=MediaType.JSON)

    @post("/{run_id:str}/cancel", status_code=202, guards=[scope("write")])
    async def cancel_run(
        self, *, request: Request[Any, Any, Any], core: TheCore, principal: ThePrincipal, app: InPath, run_id: InPath, wait: Wait = None
    ) -> Response[Run]:
        """End a run: TERM, and KILL ten seconds later. 200 when it has ended, 202 while it still does."""

        async def effect(tx: Tx) -> Answer:
            row = await lookup.to_change(tx, principal, app, "write")
            run = await service.cancel(tx, row, run_id)
            status = 202 if service.is_open(run) else 200
            return Answer(status=status, body=msgspec.json.encode(service.to_view(run)), follow=run.id)

        return await _follow(core, principal, app, await once(core, request, principal, effect), wait)


async def _follow(core: Core, principal: Principal, app: str, answer: Answer, wait: int | None) -> Response[Run]:
    """Hold the answer until the run has ended, `wait` seconds at most."""
    run_id = answer.follow
    if wait is None or run_id is None:
        return reply(answer)

    async def ended() -> bool | None:
        async with core.db.connect() as connection:
            status = (await connection.execute(select(RunRow.status).where(RunRow.id == run_id))).scalar_one_or_none()
        return True if status not in OPEN_RUNS else None

    is_over = await core.wakes.until(run_id, wait, ended)
    async with core.db.read() as session:
        row, _ = await lookup.to_read(session, principal, app)
        run = await service.get(session, row, run_id)
    now = Answer(status=200 if is_over else 202, body=msgspec.json.encode(service.to_view(run)), headers=answer.headers)
    now.replayed = answer.replayed
    return reply(now)
