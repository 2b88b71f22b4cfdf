"""Whether the engine's disk has room for another image."""

from libs.common import disks, errors
from libs.common.engine.connect import Engine
from services.builder.failed import Failed
from services.builder.patience import patiently


class Room:
    """`check()` before an image is fetched or loaded. One that is here already needs none."""

    def __init__(self, engine: Engine, docker_host: str, full_percent: float) -> None:
        self._engine = engine
        self._docker_host = docker_host
        self._full = full_percent

    async def check(self) -> None:
        """`Failed` with `disk_full`; nothing is known of an engine on another machine."""
        root = disks.engine_root(self._docker_host, (await patiently(self._engine.info)).root)
        disk = disks.measure(disks.ENGINE, root) if root else None
        if disk and disk.used_percent >= self._full:
            text = f"The disk of the Docker Engine is {disk.used_percent:g} % full: no image is fetched."
            raise Failed(errors.failure("building", "disk_full", text))
