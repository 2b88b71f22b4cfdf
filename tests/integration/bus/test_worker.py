"""The worker against a real server: each command once, waits that are no tries, and the dead letter."""

import asyncio

import msgspec
import pytest

from libs.common import subjects, worker
from libs.common.bus import Bus
from libs.common.errors import Rejected, Retry
from libs.common.messages.builder import CollectImages, PrepareImage
from libs.common.waits import Waits
from libs.common.worker import CRASHES, Worker
from tests.integration.bus.conftest import buried, prepare, send, until, until_true, working


async def test_a_worker_handles_each_command_once(bus: Bus) -> None:
    taken: list[str] = []

    async def take(message: msgspec.Struct) -> None:
        assert isinstance(message, PrepareImage)
        taken.append(message.command_id)

    async with working(bus, take):
        for number in range(20):
            await send(bus, prepare(number))
        await until(lambda: len(taken) == 20)
        info = await bus.js.stream_info(subjects.COMMANDS)
    assert sorted(taken) == sorted(f"c{number}" for number in range(20))
    assert info.state.messages <= 2  # the last acknowledgements may be on their way


async def test_retry_comes_back(bus: Bus) -> None:
    tries: list[int] = []

    async def take(_message: msgspec.Struct) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise Retry("not yet", after=0.05)

    async with working(bus, take):
        await send(bus, prepare(1))
        await until(lambda: len(tries) == 3)


async def test_planned_waits_take_no_try_away(bus: Bus) -> None:
    """Neither the end of tries for a bug nor the one for what kills its worker is nearer after more waits than either."""
    ends: list[str] = []

    async def take(_message: msgspec.Struct) -> None:
        ends.append("wait" if len(ends) < CRASHES + 2 else "bug" if len(ends) == CRASHES + 2 else "done")
        if ends[-1] == "wait":
            raise Retry("in use", after=0.01)
        if ends[-1] == "bug":
            raise ValueError("a bug")

    async with working(bus, take):
        await send(bus, prepare(1))
        await until(lambda: ends[-1:] == ["done"], 30)
        assert not await buried(bus)


async def test_what_kills_its_worker_is_buried_though_it_waited_before(bus: Bus) -> None:
    """Each death is a delivery that nobody ended; only the waits are no tries."""
    subscription = await bus.js.pull_subscribe_bind("builder", subjects.COMMANDS)
    await send(bus, prepare(1))
    waits = Waits(bus)
    for delivery in range(CRASHES + 3):
        [message] = await subscription.fetch(1, timeout=5)
        if delivery < 3:
            await waits.plan(message)
        await message.nak()  # as if the time for an answer had passed
    handled: list[int] = []

    async def take(_message: msgspec.Struct) -> None:
        handled.append(1)

    async with working(bus, take):
        await until_true(lambda: buried(bus))
    assert not handled


async def test_a_command_that_waited_for_a_newer_worker_is_done_by_it(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_UNKNOWN_PAUSE", 0.01)
    taken: list[str] = []

    async def take(message: msgspec.Struct) -> None:
        assert isinstance(message, CollectImages)
        taken.append(message.command_id)

    async def ready() -> bool:
        return True

    async def delivered() -> bool:
        info = await bus.js.consumer_info(subjects.COMMANDS, "builder")
        return info.delivered is not None and info.delivered.consumer_seq > CRASHES + 2

    async with working(bus, take):  # knows PrepareImage alone
        await send(bus, CollectImages(command_id="c1", app_id="app_1"))
        await until_true(delivered)
    newer = asyncio.create_task(Worker(bus, {CollectImages: take}, count=1, ready=ready).run())
    await until(lambda: taken == ["c1"])
    newer.cancel()
    assert not await buried(bus)


async def test_a_subject_of_no_form_is_buried_and_the_worker_goes_on(bus: Bus) -> None:
    taken: list[str] = []

    async def take(message: msgspec.Struct) -> None:
        assert isinstance(message, PrepareImage)
        taken.append(message.command_id)

    async with working(bus, take):
        await bus.store("dockup.cmd.builder.PrepareImage.a.b", b"{}", {"Nats-Msg-Id": "odd"})
        await send(bus, prepare(1))
        await until(lambda: taken == ["c1"])
        await until_true(lambda: buried(bus))


async def test_rejected_goes_to_the_dead_letter_with_its_reason(bus: Bus) -> None:
    async def take(_message: msgspec.Struct) -> None:
        raise Rejected("never")

    async with working(bus, take):
        message = prepare(1)
        await send(bus, message)
        subscription = await bus.js.subscribe("dockup.dead.>", stream=subjects.DEADLETTER, ordered_consumer=True)
        dead = await subscription.next_msg(timeout=10)
    assert dead.subject == subjects.dead("builder", message.app_id)
    assert dead.headers is not None
    assert dead.headers["Dockup-Reason"] == "never"
    assert msgspec.json.decode(dead.data, type=PrepareImage) == message


async def test_an_unknown_type_is_put_back(bus: Bus) -> None:
    async def take(_message: msgspec.Struct) -> None:
        raise AssertionError("nobody asked for this")

    async with working(bus, take) as older:
        await send(bus, CollectImages(command_id="c1", app_id="app_1"))
        await until(lambda: older.unknown)
    info = await bus.js.stream_info(subjects.COMMANDS)
    assert info.state.messages == 1
