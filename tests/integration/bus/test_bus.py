"""The bus against a real server: what is published is stored, and what the server loses heals."""

import asyncio
import contextlib

import msgspec
import nats.errors
import pytest

from libs.common import streams, subjects
from libs.common.bucket import Bucket, Conflict, Mirror
from libs.common.bus import Bus, BusAway, NoAnswer
from libs.common.messages.builder import PrepareImage
from libs.common.messages.router import Applied
from tests.integration.bus.conftest import prepare, send, until, working
from tests.servers.nats import NatsServer


async def test_the_same_message_id_is_stored_once(bus: Bus) -> None:
    first = prepare(1)
    assert await send(bus, first) == await send(bus, first)


async def test_compare_and_set_refuses_a_stale_writer(bus: Bus) -> None:
    bucket = Bucket(bus, subjects.APPLIED, Applied)
    entry = Applied(app_id="app_1", router_id="r", revision=1)
    revision = await bucket.swap("app_1.r", entry, 0)
    await bucket.swap("app_1.r", entry, revision)
    with pytest.raises(Conflict):
        await bucket.swap("app_1.r", entry, revision)
    with pytest.raises(Conflict):
        await bucket.swap("app_1.r", entry, 0)


async def test_a_mirror_follows_and_says_deletions(bus: Bus) -> None:
    heard: list[tuple[str, int | None]] = []
    mirror = Mirror(bus, subjects.APPLIED, Applied, on_change=lambda key, entry: heard.append((key, entry.revision if entry else None)))
    task = asyncio.create_task(mirror.run())
    await asyncio.wait_for(mirror.listed.wait(), 10)
    bucket = Bucket(bus, subjects.APPLIED, Applied)
    for revision in (1, 2):
        await bucket.put("a.r", Applied(app_id="a", router_id="r", revision=revision))
    await bucket.delete("a.r")
    await until(lambda: len(heard) == 3)
    task.cancel()
    assert heard == [("a.r", 1), ("a.r", 2), ("a.r", None)]


async def test_a_bug_about_one_entry_leaves_the_others_alone_and_is_tried_again(bus: Bus) -> None:
    heard: list[str] = []

    def hear(key: str, _entry: Applied | None) -> None:
        heard.append(key)
        if heard.count("bad.r") == 1 and key == "bad.r":
            raise KeyError(key)

    mirror = Mirror(bus, subjects.APPLIED, Applied, on_change=hear, relist_seconds=0.3)
    task = asyncio.create_task(mirror.run())
    await asyncio.wait_for(mirror.listed.wait(), 10)
    bucket = Bucket(bus, subjects.APPLIED, Applied)
    for app_id in ("bad", "good"):
        await bucket.put(f"{app_id}.r", Applied(app_id=app_id, router_id="r", revision=1))
    await until(lambda: heard == ["bad.r", "good.r", "bad.r"])
    heard.clear()
    await bucket.delete("bad.r")
    await until(lambda: heard == ["bad.r", "bad.r"])
    assert not task.done()
    task.cancel()


async def test_a_query_that_nobody_answers_says_so(bus: Bus) -> None:
    with pytest.raises(NoAnswer):
        await bus.query("runtime", "logs", {}, dict, timeout=0.3)


async def test_a_large_answer_arrives_whole(bus: Bus) -> None:
    async def answer(_body: bytes) -> list[str]:
        return ["line"] * 300_000

    await bus.serve("big", answer)
    assert len(await bus.query("builder", "big", {}, list[str], timeout=5)) == 300_000


async def test_all_heals_after_the_server_lost_everything(bus: Bus, nats_server: NatsServer) -> None:
    taken: list[str] = []

    async def take(message: msgspec.Struct) -> None:
        assert isinstance(message, PrepareImage)
        taken.append(message.command_id)

    mirror = Mirror(bus, subjects.APPLIED, Applied)
    task = asyncio.create_task(mirror.run())
    async with working(bus, take):
        nats_server.kill()
        with pytest.raises(BusAway):
            await send(bus, prepare(1))
        nats_server.wipe()
        nats_server.start()
        await until(lambda: bus.connected)
        await ensured(bus)
        await Bucket(bus, subjects.APPLIED, Applied).put("a.r", Applied(app_id="a", router_id="r", revision=7))
        await send(bus, prepare(2))
        await until(lambda: taken == ["c2"] and "a.r" in mirror.entries)
        info = await bus.js.stream_info(subjects.EVENTS)
    task.cancel()
    assert info.config.first_seq == 500


async def ensured(bus: Bus) -> None:
    """A request that is sent in the moment of a reconnect may be lost: ask again, as the API does."""
    async with asyncio.timeout(20):
        while True:
            try:
                await streams.ensure(bus.client.jetstream(timeout=1), first_event=500)
            except nats.errors.TimeoutError:
                continue
            return


async def test_a_service_that_waits_for_the_bus_can_be_told_to_stop() -> None:
    """nats-py can lose a cancellation to an attempt that is refused at the same moment, so many moments are tried."""
    for moment in range(60):
        waiting = asyncio.create_task(Bus.connect("nats://127.0.0.1:1", "runtime"))
        for _ in range(moment):
            await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait({waiting}, timeout=5)
        assert done, f"still connecting when cancelled after {moment} turns of the loop"
        assert waiting.cancelled()


async def test_what_connects_again_has_ended_when_the_bus_is_closed(nats_server: NatsServer) -> None:
    """It may lose the word to end, which the client says once; the process would wait for it for ever."""
    bus = await Bus.connect(nats_server.url, "api")

    async def loses_three() -> None:
        for _ in range(4):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    reconnecting = asyncio.create_task(loses_three())
    await asyncio.sleep(0)
    bus.client._reconnection_task = reconnecting
    async with asyncio.timeout(30):
        await bus.close()
    assert reconnecting.done()
