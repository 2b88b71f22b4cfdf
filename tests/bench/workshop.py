"""A builder with a bus and a git host of its own, beside whatever else runs on the machine."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.messages.builder import BuildImage, ImageFailed, ImageReady
from services.builder.__main__ import serve
from services.builder.settings import Settings
from tests import images
from tests.conftest import DOCKER_HOST
from tests.integration.builder.conftest import SECRET_KEY
from tests.servers.git import GitServer
from tests.servers.nats import NatsServer

_SECONDS = 60


class Workshop:
    """Builds the repositories of `host` as the images of one app; they are removed at the end."""

    def __init__(self, folder: Path, host: GitServer, api: Bus) -> None:
        self.folder = folder
        self.host = host
        self.app_id = ids.new("app")
        self._api = api
        self._release = 0

    async def build(self, name: str, commit: str) -> tuple[float, str | None]:
        """Seconds from the command until the image is ready, or is said not to come, with the failure's code then."""
        self._release += 1
        deployment_id = ids.new("dep")
        command = BuildImage(
            command_id=f"{deployment_id}.prepare",
            app_id=self.app_id,
            deployment_id=deployment_id,
            release=self._release,
            url=self.host.url(name),
            commit=commit,
        )
        async with self._ends() as ends:
            began = time.perf_counter()
            await self._api.publish(subjects.command("builder", command, self.app_id), command, command.command_id)
            async with asyncio.timeout(_SECONDS):
                code = await ends.get()
            return round(time.perf_counter() - began, 3), code

    @asynccontextmanager
    async def _ends(self) -> AsyncIterator[asyncio.Queue[str | None]]:
        heard: asyncio.Queue[str | None] = asyncio.Queue()

        async def ready(_message: object) -> None:
            await heard.put(None)

        async def failed(message: object) -> None:
            body: bytes = message.data  # type: ignore[attr-defined]
            await heard.put(msgspec.json.decode(body, type=ImageFailed).failure.code)

        kinds = {ImageReady: ready, ImageFailed: failed}
        named = {subjects.build("evt", "builder", kind.__name__, self.app_id): hear for kind, hear in kinds.items()}
        listening = [await self._api.client.subscribe(subject, cb=hear) for subject, hear in named.items()]
        await self._api.client.flush()
        yield heard
        for each in listening:
            await each.unsubscribe()

    def forget(self) -> None:
        for image in images.client().images(filters={"reference": f"dockup/{self.app_id}:*"}):
            for tag in image["RepoTags"]:
                images.client().remove_image(tag)


@asynccontextmanager
async def opened(*, build_memory_mb: int = 0) -> AsyncIterator[Workshop]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        host, nats = GitServer(folder / "repos"), NatsServer(folder)
        host.start()
        nats.start()
        nats.ensure()
        settings = Settings(
            home=str(folder / "home"),
            instance="bench-build",
            nats_url=nats.url,
            docker_host=DOCKER_HOST,
            secret_key=SECRET_KEY,
            egress_allow=("127.0.0.0/8",),
            build_memory_mb=build_memory_mb,
        )
        bus, api = await Bus.connect(nats.url, "builder"), await Bus.connect(nats.url, "api")
        serving = asyncio.create_task(serve(settings, bus))
        workshop = Workshop(folder, host, api)
        try:
            yield workshop
        finally:
            serving.cancel()
            await asyncio.wait({serving})
            await bus.close()
            await api.close()
            workshop.forget()
            nats.kill()
            host.stop()
