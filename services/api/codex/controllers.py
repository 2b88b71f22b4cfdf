"""The route of coding sessions, and the one of the key that they need."""

import math
from functools import partial

from litestar import Controller, Response, delete, get, put, websocket
from litestar.params import JSONBody

from libs.common.messages.codex import KIND, PUSHED
from services.api.codex import keys, service
from services.api.codex.schemas import CodexKey, CodexKeyBody, Model, Preview, Prompt, asked
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.problems import Problem
from services.api.http.sockets import Caller, Socket, answering, check_query, core_of
from services.api.recovery.gate import refuse_writes
from services.api.terminals.bridge import Bridge, Limits
from services.api.terminals.schemas import Token, Tty
from services.api.terminals.service import enter, session

_PATH = "/apps/{app:str}/codex"


class CodexController(Controller):
    tags = ("Coding",)

    @get(_PATH, guards=[scope("write")])
    async def code_app(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        token: Token = None,
        prompt: Prompt = None,
        model: Model = None,
        tty: Tty = True,
        preview: Preview = False,
    ) -> Response[bytes]:
        """A coding session in the app's source over a WebSocket: Codex in a container of its own. The frames are those of exec."""
        row = await enter(core, principal, app)
        wanted = asked(prompt, model, None, "true" if preview else None)
        del token, tty  # they are the WebSocket's
        await service.request(core, principal, row, wanted)
        raise Problem("upgrade_required", headers={"Upgrade": "websocket", "Connection": "Upgrade"})

    @websocket(_PATH)
    async def code_socket(self, *, socket: Socket, app: InPath) -> None:
        async with answering(socket) as request_id:
            check_query(socket, {"token", "prompt", "model", "tty", "preview"})
            query = socket.query_params
            core, who = core_of(socket), Caller(socket, "write")
            principal = await who()
            row = await enter(core, principal, app)
            await refuse_writes(core)
            wanted = asked(*(query.get(name) for name in ("prompt", "model", "tty", "preview")))
            request = await service.request(core, principal, row, wanted)

            async def may() -> None:
                await enter(core, await who(), row.id)

            async with session(core, row, KIND, request) as call:
                headers = {"X-Request-Id": request_id, "Dockup-Replica": call.replica, "Dockup-Branch": request.branch}
                await socket.accept(headers=headers)
                # A tool that works without asking may think, or have a command run, for long without a word.
                idle = core.settings.exec_idle_seconds if wanted.talks else math.inf
                limits = Limits(idle=idle, total=core.settings.exec_max_seconds)
                heard = {PUSHED: partial(service.on_push, core, principal, row, preview=wanted.preview)}
                await Bridge(socket, call.channel, may, limits, tty=wanted.tty, heard=heard).run()


class CodexKeyController(Controller):
    path = "/auth/codex-key"
    tags = ("Coding",)

    @get(guards=[scope("read")])
    async def get_codex_key(self, core: TheCore, principal: ThePrincipal) -> CodexKey:
        """Which key for the model's API you have stored."""
        return await keys.get(core.db, principal.user_id)

    @put(guards=[scope("write")])
    async def set_codex_key(self, core: TheCore, principal: ThePrincipal, data: JSONBody[CodexKeyBody]) -> CodexKey:
        """Store your key for the model's API: your coding sessions are paid with it, and none of them gets to see it."""
        _refuse_bound(principal)
        async with core.db.begin() as tx:
            return await keys.put(tx, core.vault, principal.user_id, data.key)

    @delete(guards=[scope("write")])
    async def delete_codex_key(self, core: TheCore, principal: ThePrincipal) -> None:
        """Forget it."""
        _refuse_bound(principal)
        async with core.db.begin() as tx:
            await keys.delete(tx, principal.user_id)


def _refuse_bound(principal: ThePrincipal) -> None:
    if principal.project_id is not None:
        raise Problem("forbidden", "A key that is bound to one project has no part in your key for the model's API.")
