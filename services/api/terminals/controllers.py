"""The route of a terminal in a running app."""

from litestar import Controller, Response, get, websocket

from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.problems import Problem
from services.api.http.sockets import Caller, Socket, answering, check_query, core_of
from services.api.recovery.gate import refuse_writes
from services.api.terminals import service
from services.api.terminals.bridge import Bridge, Limits
from services.api.terminals.schemas import Command, Process, Replica, Token, Tty, asked

_PATH = "/apps/{app:str}/exec"


class TerminalController(Controller):
    tags = ("Terminals",)

    @get(_PATH, guards=[scope("write")])
    async def exec_app(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        app: InPath,
        token: Token = None,
        cmd: Command = "/bin/sh",
        tty: Tty = True,
        replica: Replica = None,
        process: Process = None,
    ) -> Response[bytes]:
        """A command in a running replica over a WebSocket: a shell with a terminal, or a program and its streams."""
        del token, cmd, tty, replica, process  # they are the WebSocket's
        await service.enter(core, principal, app)
        raise Problem("upgrade_required", headers={"Upgrade": "websocket", "Connection": "Upgrade"})

    @websocket(_PATH)
    async def exec_socket(self, *, socket: Socket, app: InPath) -> None:
        async with answering(socket) as request_id:
            check_query(socket, {"token", "cmd", "tty", "replica", "process"})
            query = socket.query_params
            core, who = core_of(socket), Caller(socket, "write")
            row = await service.enter(core, await who(), app)
            await refuse_writes(core)
            request = asked(query.get("cmd"), query.get("tty"), query.get("replica"), query.get("process"))

            async def may() -> None:
                await service.enter(core, await who(), row.id)

            what = await service.told(core, row, request.command)
            async with service.session(core, row, "exec", request, what) as call:
                await socket.accept(headers={"X-Request-Id": request_id, "Dockup-Replica": call.replica})
                limits = Limits(idle=core.settings.exec_idle_seconds, total=core.settings.exec_max_seconds)
                await Bridge(socket, call.channel, may, limits, tty=request.tty).run()
