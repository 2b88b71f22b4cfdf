"""Named volumes: the data of apps, which no container takes with it."""

import msgspec

from libs.common.engine.connect import Engine
from libs.common.engine.containers import INSTANCE_LABEL
from libs.common.engine.errors import NotFound
from libs.common.engine.lines import answer

VOLUME_LABEL = "dockup.volume"
COPY_LABEL = "dockup.copy"


class VolumeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One volume of the engine's. `volume` is the id that we gave it, `number` which copy of its data this is."""

    name: str
    volume: str
    number: int
    labels: dict[str, str]


class _Listed(msgspec.Struct, rename="pascal"):
    name: str
    labels: dict[str, str] | None = None


class _Size(msgspec.Struct, rename="pascal"):
    size: int = -1


class _Used(_Listed, rename="pascal"):
    usage: _Size | None = msgspec.field(name="UsageData", default=None)


class _Usage(msgspec.Struct, rename="pascal"):
    volumes: list[_Used] | None = None


class _Answer(msgspec.Struct, rename="pascal"):
    volumes: list[_Listed] | None = None


_usage = msgspec.json.Decoder(_Usage)


async def list_ours(engine: Engine, instance: str, volume_id: str | None = None) -> list[VolumeSeen]:
    """Every volume of this installation; with `volume_id` the copies of one."""
    labels = [f"{INSTANCE_LABEL}={instance}", f"{VOLUME_LABEL}={volume_id}" if volume_id else VOLUME_LABEL]
    found = msgspec.convert(await engine.call(engine.api.volumes, filters={"label": labels}), _Answer)
    return [_seen(raw) for raw in found.volumes or []]


async def sizes(engine: Engine, instance: str) -> list[tuple[VolumeSeen, int]]:
    """Every volume of this installation with the bytes in it; the engine walks all files of all volumes for it. `Refused` while it does."""
    raw = await engine.call(lambda: answer(engine.long, "GET", "/system/df", {"type": "volume"}).content)
    found = [volume for volume in _usage.decode(raw).volumes or [] if (volume.labels or {}).get(INSTANCE_LABEL) == instance]
    return [(_seen(volume), volume.usage.size) for volume in found if volume.usage is not None and volume.usage.size >= 0]


async def remove(engine: Engine, name: str) -> None:
    """Remove it with its data; gone already is fine. `Conflict`: a container has it."""
    try:
        await engine.call(engine.long.remove_volume, name)
    except NotFound:
        return


def _seen(raw: _Listed) -> VolumeSeen:
    labels = raw.labels or {}
    number = labels.get(COPY_LABEL, "")
    return VolumeSeen(name=raw.name, volume=labels.get(VOLUME_LABEL, ""), number=int(number) if number.isdecimal() else 1, labels=labels)
