"""The containers of sessions and their networks: made, taken away, and swept where nobody is left to do it."""

import asyncio
import contextlib
import ipaddress
from time import monotonic

import structlog

from libs.common.engine import containers, images, networks
from libs.common.engine.errors import EngineAway, EngineError
from libs.common.engine.networks import NetworkSeen
from libs.common.engine.spec import MEGABYTE
from libs.common.messages.codex import CodexRequest
from services.runtime.codex import spec
from services.runtime.codex.spec import Box
from services.runtime.sessions import Refusal
from services.runtime.world import World

_AGAIN_SECONDS = 5.0
_LOOK_SECONDS, _SHARE = 2.0, 20
"""The engine looks at every file: of its time, a twentieth at most."""

logger = structlog.get_logger()


class Boxes:
    """`living` are the ids of sessions that go on; whatever else of a session is on the engine is taken away."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sweeping: asyncio.Task[None] | None = None
        self.living: set[str] = set()

    async def image(self, name: str) -> str:
        """The id of the image; `Refusal` where it is not here."""
        found = await images.find(self._world.engine, name if "@" in name else ":".join(images.split_reference(name)))
        if found is None:
            raise Refusal(
                "codex_not_configured", f"DOCKUP_CODEX_IMAGE names {name}, which is not on the engine: build it or pull it there."
            )
        return found.id

    async def network(self, request: CodexRequest) -> tuple[NetworkSeen, str, str]:
        """Make the session's; with it the machine's address in it, and the one that the container will have."""
        made = await self._world.networks.apart(spec.network_name(self._world.place.instance, request), {spec.LABEL: request.id})
        hosts = ipaddress.ip_network(made.subnets[0])
        return made, made.gateway or str(hosts[1]), str(hosts[2])

    async def make(self, app_id: str, request: CodexRequest, *, image_id: str, network: NetworkSeen, address: str) -> Box:
        """Make and start the container."""
        settings = self._world.settings
        wanted = spec.container_spec(
            app_id,
            request,
            image_id=image_id,
            network=network.name,
            address=address,
            place=self._world.place,
            cpu=settings.codex_cpu,
            memory=settings.codex_memory_mb,
        )
        container_id = await containers.create(self._world.engine, wanted)
        await containers.start(self._world.engine, container_id)
        return Box(session=request.id, name=wanted.name, container_id=container_id, network_id=network.id)

    async def fills(self, box: Box) -> str:
        """Watch what the session writes; why it has to end, once that is too much. While the engine does not answer nothing is known."""
        most, pause = self._world.settings.codex_disk_mb, _LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = monotonic()
            with contextlib.suppress(EngineAway, EngineError):
                written = await containers.written(self._world.engine, box.container_id) // MEGABYTE
                if written > most:
                    return f"The session wrote {written} MB: more than the {most} MB of DOCKUP_CODEX_DISK_MB."
            pause = max(_LOOK_SECONDS, _SHARE * (monotonic() - began))

    async def end(self, session: str) -> None:
        """The session is over: take away what it holds, now or as soon as the engine lets us."""
        self.living.discard(session)
        if not await self._try() and (self._sweeping is None or self._sweeping.done()):
            self._sweeping = asyncio.create_task(self._again())

    async def sweep(self) -> None:
        """Take away everything of sessions that are over. Raises `EngineAway`, `EngineError`."""
        engine, instance = self._world.engine, self._world.place.instance
        for container in await containers.list_ours(engine, instance):
            if self._is_over(container.labels):
                await containers.remove(engine, container.id)
        for network in await networks.list_all(engine):
            if network.labels.get(containers.INSTANCE_LABEL) == instance and self._is_over(network.labels):
                await networks.remove(engine, network.id)

    def _is_over(self, labels: dict[str, str]) -> bool:
        session = spec.id_of(labels)
        return bool(session) and session not in self.living

    async def _again(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            if await self._try():
                return

    async def _try(self) -> bool:
        try:
            await self.sweep()
        except (EngineAway, EngineError) as error:
            logger.warning("codex.not_swept", error=str(error))
            return False
        return True
