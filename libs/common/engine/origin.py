"""What a container was given when it was made, read back from the engine."""

import msgspec

from libs.common.engine.connect import Engine
from libs.common.engine.spec import MEGABYTE

_NANOS = 1_000_000_000


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """`env` is what was given beside the image's own, in the clear. `cpu` in cores and `memory` in MB, None for no limit."""

    image_id: str
    env: dict[str, str]
    cpu: float | None
    memory: int | None


class _Config(msgspec.Struct, rename="pascal"):
    env: list[str] | None = None


class _Host(msgspec.Struct, rename="pascal"):
    cpu_quota: int = 0
    cpu_period: int = 0
    nano_cpus: int = 0
    memory: int = 0


class _Container(msgspec.Struct, rename="pascal"):
    image: str
    config: _Config
    host_config: _Host


class _Image(msgspec.Struct, rename="pascal"):
    config: _Config | None = None


async def read(engine: Engine, container_id: str) -> Origin:
    """Look at a container and its image; `NotFound` when either is gone."""
    raw = msgspec.convert(await engine.call(engine.api.inspect_container, container_id), _Container)
    image = msgspec.convert(await engine.call(engine.api.inspect_image, raw.image), _Image)
    own = set((image.config or _Config()).env or ())
    given = [entry.partition("=") for entry in raw.config.env or () if entry not in own]
    return Origin(
        image_id=raw.image,
        env={name: value for name, _, value in given},
        cpu=_cores(raw.host_config),
        memory=raw.host_config.memory // MEGABYTE or None,
    )


def _cores(host: _Host) -> float | None:
    if host.nano_cpus:
        return host.nano_cpus / _NANOS
    return host.cpu_quota / host.cpu_period if host.cpu_quota > 0 and host.cpu_period else None
