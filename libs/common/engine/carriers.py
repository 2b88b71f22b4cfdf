"""Containers that never run: through them the engine reads and writes what is in a volume, wherever it keeps it."""

import asyncio
import contextlib
import io
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Iterator

from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, EngineAway, EngineError, ImageMissing, NotFound
from libs.common.engine.lines import answer
from libs.common.engine.spec import VolumeMount, mount_body

CARRIER_LABEL = "dockup.carrier"
_REPOSITORY, _TAG = "dockup-carrier", "1"
_PLACE = "/volume"
_CHUNK = 256 * 1024
_YOUNG = 60.0
"""Seconds in which a container may have been made that nobody has noted yet."""


@contextlib.asynccontextmanager
async def carrier(engine: Engine, instance: str, name: str, labels: dict[str, str], held: set[str]) -> AsyncIterator[str]:
    """A container that has the volume `name`, which is made, with these labels, where it is not there. It goes at the block's end.

    Its id is in `held` for as long as it is there.
    """
    body: dict[str, object] = {
        "Image": f"{_REPOSITORY}:{_TAG}",
        "Cmd": ["never"],
        "Labels": {CARRIER_LABEL: instance},
        "HostConfig": {"NetworkMode": "none", "Mounts": [mount_body(VolumeMount(name=name, path=_PLACE, labels=labels))]},
    }
    making = asyncio.ensure_future(_create(engine, body))
    try:
        container_id = await asyncio.shield(making)
    except asyncio.CancelledError:
        # The engine makes it all the same, and it would keep the volume from being removed.
        with contextlib.suppress(EngineError, EngineAway):
            await _remove(engine, await making)
        raise
    held.add(container_id)
    try:
        yield container_id
    finally:
        await _remove(engine, container_id)
        held.discard(container_id)


async def sweep(engine: Engine, instance: str, held: set[str], *, older_than: float = _YOUNG) -> None:
    """Remove those that a process left which is gone; `held` are the ids of this one's, but for the youngest, in seconds."""
    found = await engine.call(engine.api.containers, all=True, filters={"label": f"{CARRIER_LABEL}={instance}"})
    for container in found:
        if container["Id"] not in held and time.time() - container["Created"] >= older_than:
            with contextlib.suppress(Conflict):  # somebody removes it just now
                await _remove(engine, container["Id"])


async def read(engine: Engine, container_id: str, give: Callable[[bytes], None]) -> None:
    """Hand the volume's content to `give` as a tar archive, bit by bit, in a thread. What `give` raises ends it."""

    def work() -> None:
        response = answer(engine.long, "GET", f"/containers/{container_id}/archive", {"path": f"{_PLACE}/."})
        held = bytearray()  # the engine sends small pieces, whatever is asked for
        try:
            for chunk in response.iter_content(_CHUNK):
                held += chunk
                if len(held) >= _CHUNK:
                    give(bytes(held))
                    held.clear()
            if held:
                give(bytes(held))
        finally:
            response.close()

    await engine.transfer(work)


async def write(engine: Engine, container_id: str, chunks: Iterator[bytes]) -> None:
    """Unpack a tar archive into the volume; `chunks` is asked in a thread, and what it raises ends it with a part unpacked."""

    def work() -> None:
        answer(engine.long, "PUT", f"/containers/{container_id}/archive", {"path": _PLACE}, chunks).close()

    await engine.transfer(work)


async def _create(engine: Engine, body: dict[str, object]) -> str:
    try:
        made = await engine.call(engine.api.create_container_from_config, body, None)
    except ImageMissing:
        await engine.call(engine.long.import_image_from_data, _empty(), repository=_REPOSITORY, tag=_TAG)
        made = await engine.call(engine.api.create_container_from_config, body, None)
    return str(made["Id"])


async def _remove(engine: Engine, container_id: str) -> None:
    with contextlib.suppress(NotFound):
        await engine.call(engine.long.remove_container, container_id, force=True)


def _empty() -> bytes:
    """An image of nothing, made here: no registry is asked."""
    content = io.BytesIO()
    tarfile.open(fileobj=content, mode="w").close()
    return content.getvalue()
