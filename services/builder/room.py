"""Whether the engine's disk has room for another image."""

from libs.common import disks
from libs.common.disks import Disk
from libs.common.engine.connect import Engine
from services.builder.failed import because
from services.builder.patience import patiently


class Room:
    """`check()` before an image is fetched or loaded, and while one is built. One that is here already needs none."""

    def __init__(self, engine: Engine, docker_host: str, full_percent: float) -> None:
        self._engine = engine
        self._docker_host = docker_host
        self._full = full_percent

    async def disk(self) -> Disk | None:
        """The disk that the engine's folder is on; None for an engine on another machine."""
        root = disks.engine_root(self._docker_host, (await patiently(self._engine.info)).root)
        return disks.measure(disks.ENGINE, root) if root else None

    async def check(self) -> None:
        """`Failed` with `disk_full`; nothing is known of an engine on another machine."""
        disk = await self.disk()
        if disk and disk.used_percent >= self._full:
            text = f"The disk of the Docker Engine is {disk.used_percent:g} % full: no image is fetched or built."
            raise because("disk_full", text)
