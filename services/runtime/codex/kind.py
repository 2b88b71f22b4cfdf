"""Live sessions of the kind `codex`: a coding tool in a container of its own, which reaches what the gate lets through."""

import asyncio
import secrets
from typing import TYPE_CHECKING

import msgspec
import structlog

from libs.common import egress
from libs.common.engine import exec as engine_exec
from libs.common.engine.errors import EngineAway, EngineError, StartFailed
from libs.common.engine.exec import Exec
from libs.common.live.channel import Channel
from libs.common.messages.builder import GitLogin
from libs.common.messages.codex import DISK_FULL, PUSHED, CodexRequest, Pushed
from libs.common.messages.sessions import EXITED, REPLICA_ENDED, Ended
from services.runtime.codex import spec
from services.runtime.codex.boxes import Boxes
from services.runtime.codex.gate.pushes import Push
from services.runtime.codex.gate.rules import Rules
from services.runtime.codex.spec import Box
from services.runtime.fleet import Fleet
from services.runtime.sessions import Kind, Refusal, Session
from services.runtime.shells import carry
from services.runtime.world import World

if TYPE_CHECKING:
    from services.runtime.codex.gate.server import Gate

MOST = 2
"""Sessions that one app may have at once; how many there may be in all is a setting."""
_TOKEN_BYTES = 24

logger = structlog.get_logger()


def kind(fleet: Fleet) -> Kind:
    coders = Coders(fleet)

    async def begin(app_id: str, request: msgspec.Raw) -> Session:
        return await coders.open(app_id, msgspec.json.decode(request, type=CodexRequest))

    return Kind(open=begin, most=MOST, recover=coders.recover)


class Coders:
    """Every coding session of this runtime."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._world = fleet.world
        self._boxes = Boxes(fleet.world)

    async def recover(self) -> None:
        """End what an earlier life of this process left behind."""
        try:
            await self._boxes.sweep()
        except (EngineAway, EngineError) as error:
            logger.warning("codex.not_swept", error=str(error))

    async def open(self, app_id: str, request: CodexRequest) -> Session:
        self._check_room()
        self._boxes.living.add(request.id)
        pushed: asyncio.Queue[Push] = asyncio.Queue()
        gate = None
        try:
            await self._boxes.sweep()
            image_id = await self._boxes.image(request.image)
            network, gateway, address = await self._boxes.network(request)
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            gate = _gate(self._world, request, token, address, pushed)
            port = await _listen(gate, gateway)
            box = await self._boxes.make(app_id, request, image_id=image_id, network=network, address=address)
            process = await self._start(box, request, f"http://{gateway}:{port}/{token}")
        except BaseException as error:
            await self._end(request.id, gate)
            if isinstance(error, EngineAway | EngineError):
                raise Refusal("runtime_unavailable", f"The Docker Engine did not start the session: {error}") from error
            raise

        async def serve(channel: Channel) -> Ended:
            telling = asyncio.create_task(_tell(channel, request, pushed))
            try:
                return await self._carry(channel, process, box)
            finally:
                telling.cancel()
                await self._end(request.id, gate)

        return Session(serve=serve, replica=box.name)

    async def _carry(self, channel: Channel, process: Exec, box: Box) -> Ended:
        """Until the tool ends, or has written too much."""
        carrying, filling = asyncio.create_task(carry(channel, process)), asyncio.create_task(self._boxes.fills(box))
        try:
            await asyncio.wait({carrying, filling}, return_when=asyncio.FIRST_COMPLETED)
            if not carrying.done():
                return Ended(reason=DISK_FULL, detail=await filling)
            code = await carrying
        finally:
            for task in (carrying, filling):
                task.cancel()
            await asyncio.gather(carrying, filling, return_exceptions=True)
        if await engine_exec.was_taken_along(self._world.engine, box.container_id, code):
            return Ended(reason=REPLICA_ENDED, detail="The session's container ended.", code=code)
        return Ended(reason=EXITED, code=code)

    def _check_room(self) -> None:
        if not self._fleet.active or self._fleet.lookout.trouble:
            raise Refusal("runtime_unavailable", "The runtime does not reach the Docker Engine now.")
        most = self._world.settings.codex_sessions
        if len(self._boxes.living) >= most:
            raise Refusal("too_many_sessions", f"There are {most} coding sessions on this server, which is DOCKUP_CODEX_SESSIONS.")

    async def _start(self, box: Box, request: CodexRequest, url: str) -> Exec:
        words, env = spec.command(request), spec.environment(request, url)
        exec_id = await engine_exec.create(self._world.engine, box.container_id, words, tty=request.tty, env=env)
        try:
            process = await engine_exec.start(self._world.engine, exec_id, box.container_id, tty=request.tty)
        except StartFailed as error:
            raise Refusal("codex_not_configured", f"DOCKUP_CODEX_IMAGE names {request.image}, which has no /bin/sh: {error}") from error
        if request.prompt is not None and not request.tty:
            process.close_input()  # the tool would read it to its end before it begins
        return process

    async def _end(self, session: str, gate: "Gate | None") -> None:
        if gate is not None:
            await gate.close()
        await self._boxes.end(session)


def _gate(world: World, request: CodexRequest, token: str, peer: str, pushed: "asyncio.Queue[Push]") -> "Gate":
    from services.runtime.codex.gate.server import Gate, Upstream  # noqa: PLC0415 - an HTTP client that most installations never need

    source = request.source
    rules = Rules(token=token, branch=request.branch if source else None, may_push=source is not None and source.may_push)
    upstream = Upstream(
        model=world.settings.codex_api,
        key=world.vault.open(request.key, str),
        repository=source.url if source else "",
        login=world.vault.open(source.login, GitLogin) if source and source.login else None,
    )
    return Gate(rules, upstream, egress.parse(world.settings.egress_allow), peer=peer, on_push=pushed.put)


async def _listen(gate: "Gate", host: str) -> int:
    try:
        return await gate.listen(host)
    except OSError as error:
        detail = f"The runtime cannot listen on {host}, which is the engine's: coding sessions need both on one machine: {error}"
        raise Refusal("runtime_unavailable", detail) from error


async def _tell(channel: Channel, request: CodexRequest, pushed: "asyncio.Queue[Push]") -> None:
    while True:
        push = await pushed.get()
        await channel.put(msgspec.json.encode(Pushed(branch=request.branch, commit=push.commit)), PUSHED)
