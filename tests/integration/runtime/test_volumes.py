"""A runtime that is killed while it moves a volume's data, or hands it over: nothing is lost, and nothing is left."""

import asyncio
import io
import random
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from libs.common import ids
from libs.common.bus import NoAnswer
from libs.common.engine import carriers, volumes
from libs.common.live.channel import Channel
from libs.common.live.dial import NotOpened, dial
from libs.common.messages.api import HealthCheck, Mount
from libs.common.messages.archives import ARCHIVE, BYTES, DONE, END, FAILED, FILL, RESTORE, Filling, VolumeSession
from libs.common.messages.sessions import Ended
from tests import images
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Stack
from tests.integration.runtime.wire import wired
from tests.stack import eventually

MEGABYTE = 1024 * 1024
NOTES = [
    "-c",
    """mkdir /data/lock || echo OVERLAP >> /data/notes
    trap 'kill %1; wait; rmdir /data/lock; exit' TERM
    echo "$VERSION" >> /data/notes
    /web serve & wait""",
]


def packed(**files: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@asynccontextmanager
async def session(stack: Stack, kind: str, app_id: str, volume: str, copy: int) -> AsyncIterator[Channel]:
    asked = VolumeSession(project_id=stack.desired[app_id].project_id, volume=volume, copy=copy)
    async with dial(stack.bus, kind, app_id, asked) as call:
        yield call.channel


async def begin(channel: Channel, filling: Filling, archive: bytes) -> None:
    await channel.put(msgspec.json.encode(filling), FILL)
    await channel.send(archive, BYTES)


async def end_of(channel: Channel) -> Ended:
    async with asyncio.timeout(20):
        while await channel.receive() is not None:
            pass
    assert channel.ended
    return channel.ended


async def restored(stack: Stack, app_id: str, volume: str, filling: Filling, archive: bytes) -> None:
    """As the API does it: filled, and then wanted."""
    async with session(stack, RESTORE, app_id, volume, filling.current) as channel:
        await begin(channel, filling, archive)
        await channel.put(b"", END)
        assert (await end_of(channel)).reason == DONE
    await stack.want(app_id, copies={volume: filling.copy})


async def content(stack: Stack, app_id: str, volume: str, copy: int) -> dict[str, bytes]:
    async with session(stack, ARCHIVE, app_id, volume, copy) as channel:
        found = bytearray()
        while (frame := await channel.receive()) is not None and frame.tag == BYTES:
            found += frame.body
    with tarfile.open(fileobj=io.BytesIO(found)) as tar:
        return {info.name.removeprefix("./"): file.read() for info in tar if info.isreg() and (file := tar.extractfile(info))}


async def copies(stack: Stack, volume: str) -> list[int]:
    return sorted(seen.number for seen in await volumes.list_ours(stack.engine, stack.instance, volume))


async def under_way(stack: Stack) -> int:
    label = f"{carriers.CARRIER_LABEL}={stack.instance}"
    return len(await stack.engine.call(stack.engine.api.containers, all=True, filters={"label": label}))


async def again(stack: Stack) -> None:
    """Killed, and started anew."""
    stack.kill_runtime()
    stack.launch()

    async def answers() -> bool:
        return await stack.ping() is not None

    await eventually(answers, what="the runtime")


async def nothing_left(stack: Stack, volume: str, *expected: int) -> None:
    async def clean() -> bool:
        return (await under_way(stack), await copies(stack, volume)) == (0, list(expected))

    await eventually(clean, what=f"the copies {expected} alone, and no container that holds one")


async def test_a_runtime_killed_in_the_middle_of_a_restore_and_of_a_backup(stack: Stack) -> None:
    app_id, volume = stack.new_app(), ids.new("vol")
    await stack.want(app_id)
    kept = packed(kept=b"precious", large=bytes(4 * MEGABYTE))
    await eventually(lambda: opened(stack, app_id, volume), what="the runtime")
    await restored(stack, app_id, volume, Filling(copy=2, current=1), kept)
    await nothing_left(stack, volume, 2)

    async def part_came() -> bool:
        return 3 in await copies(stack, volume) and await under_way(stack) == 1

    async with session(stack, RESTORE, app_id, volume, 2) as channel:
        await begin(channel, Filling(copy=3, current=2), kept[:MEGABYTE])
        await eventually(part_came, what="a part of the restore")
        with pytest.raises(NotOpened, match="open"):  # one at a time
            async with session(stack, RESTORE, app_id, volume, 2):
                pass
        await again(stack)
    await nothing_left(stack, volume, 2)

    async with session(stack, ARCHIVE, app_id, volume, 2) as channel:
        assert (await channel.receive()) is not None  # and no more: the rest is held
        assert await under_way(stack) == 1
        await again(stack)
    await nothing_left(stack, volume, 2)

    await eventually(lambda: opened(stack, app_id, volume), what="the runtime")
    assert (await content(stack, app_id, volume, 2))["kept"] == b"precious"
    # What another restore left that was whole and not taken goes with the next one.
    async with session(stack, RESTORE, app_id, volume, 2) as channel:
        await begin(channel, Filling(copy=7, current=2), kept)
        await channel.put(b"", END)
        assert (await end_of(channel)).reason == DONE
    assert await copies(stack, volume) == [2, 7]
    await restored(stack, app_id, volume, Filling(copy=8, current=2), packed(new=b"1"))
    await nothing_left(stack, volume, 8)
    assert await content(stack, app_id, volume, 8) == {"new": b"1"}
    # A reader that comes late is told, and does not find an empty volume in its place.
    async with session(stack, ARCHIVE, app_id, volume, 2) as channel:
        assert (await end_of(channel)).reason == FAILED
    await nothing_left(stack, volume, 8)


async def opened(stack: Stack, app_id: str, volume: str) -> bool:
    try:
        async with session(stack, RESTORE, app_id, volume, 1):
            return True
    except (NotOpened, NoAnswer):
        return False


async def test_nothing_is_begun_while_the_engine_is_away(stack: Stack, home: Path) -> None:
    wire = await wired(stack, home)
    app_id, volume = stack.new_app(), ids.new("vol")
    await stack.want(app_id)
    await eventually(lambda: opened(stack, app_id, volume), what="the runtime")
    await wire.cut()

    async def refused() -> bool:
        try:
            async with session(stack, ARCHIVE, app_id, volume, 1) as channel:
                await end_of(channel)
        except NotOpened as error:
            return error.code == "runtime_unavailable"
        return False

    await eventually(refused, what="a refusal")
    assert await copies(stack, volume) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
async def test_a_runtime_killed_while_one_writer_makes_way_for_the_next(stack: Stack, seed: int) -> None:
    """Whenever it is: the new one runs in the end, it alone, on the data that was there."""
    app_id, volume = stack.new_app(), ids.new("vol")

    def version(number: int) -> object:
        return {
            "command": tuple(NOTES),
            "env": {"VERSION": str(number)},
            "volumes": (Mount(volume=volume, name="data", path="/data"),),
            "drain_seconds": 1,
            "health_check": HealthCheck(start_period_seconds=20),
        }

    first = stack.release(1, images.shell(), **version(1))  # type: ignore[arg-type]
    assert (await stack.deploy(app_id, first)).name == "ReleaseLive"
    await stack.settled(app_id)
    second = stack.release(2, images.shell(), **version(2))  # type: ignore[arg-type]
    await stack.want(app_id, candidate=second)
    await asyncio.sleep(random.Random(seed).uniform(0, 1.5))  # noqa: S311 - a seeded moment
    await again(stack)
    assert (await stack.end_of(second)).name == "ReleaseLive"
    await stack.settled(app_id)
    await until(lambda: stack.desired[app_id].candidate is None)
    (listed,) = await stack.containers(app_id)
    asked = stack.engine.api.exec_create(listed.id, ["cat", "/data/notes"])
    notes = (await stack.engine.call(stack.engine.api.exec_start, asked["Id"])).decode().split()
    assert "OVERLAP" not in notes
    assert (notes[0], notes[-1]) == ("1", "2")
    await nothing_left(stack, volume, 1)
