"""EVENTS and SQL's cursor stay of one mind, whatever is lost in between and however many API processes see to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from libs.common import clock, streams, subjects
from libs.common.bus import Bus
from libs.common.messages.api import Recorded
from services.api.cursor import Follower
from services.api.db.database import Database
from services.api.event_stream import read_place, settle
from services.api.events.models import EventRow
from services.api.reactions.batch import Fenced, Heard, take
from services.api.relay import Relay
from services.api.wakes import Wakes
from tests.servers.nats import NatsServer

SUBJECT = "dockup.evt.api.Recorded._"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = await Database.open(database_url)
    async with db.begin() as tx:  # the module's tests share a database
        await tx.connection.exec_driver_sql("DELETE FROM events")
        await tx.connection.exec_driver_sql("DELETE FROM outbox")
        await tx.connection.exec_driver_sql("DELETE FROM meta WHERE name = 'events_stream'")
        await tx.connection.exec_driver_sql("UPDATE cursor SET seq = 0")
    yield db
    await db.close()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_server.url, "api")
    yield bus
    await bus.close()


def fact(number: int) -> Recorded:
    return Recorded(event_id=f"fact{number}", type="test.happened", at=clock.now(), app_id=None, project_id=None, message="It happened.")


def heard(*seqs: int) -> list[Heard]:
    return [Heard(seq=seq, subject=SUBJECT, body=b"{}", headers={}) for seq in seqs]


async def commit(db: Database, stream: str, before: int, *seqs: int) -> None:
    async with db.begin() as tx:
        await take(tx, stream, before, heard(*seqs))


async def cursor(db: Database) -> int:
    async with db.connect() as connection:
        return (await read_place(connection)).seq


async def known(db: Database) -> list[str]:
    async with db.connect() as connection:
        return list((await connection.execute(select(EventRow.event_id).order_by(EventRow.seq))).scalars())


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.01)


async def lose(server: NatsServer, bus: Bus) -> None:
    server.kill()
    server.wipe()
    server.start()

    async def answers() -> bool:
        try:
            await bus.client.jetstream(timeout=1).account_info()
        except Exception:  # noqa: BLE001 - not there yet
            return False
        return True

    await until(answers)


async def test_what_was_still_held_from_the_stream_before_moves_nothing(db: Database, bus: Bus, nats_server: NatsServer) -> None:
    before = await settle(db, bus.js)
    await commit(db, before.identity, 0, 1, 2)
    await lose(nats_server, bus)
    after = await settle(db, bus.js)
    assert (after.first, after.identity != before.identity) == (3, True)
    with pytest.raises(Fenced):
        await commit(db, before.identity, 2, 3, 4, 5)
    await bus.publish(SUBJECT, fact(1), "fact1")
    follower = asyncio.create_task(Follower(db, bus, Wakes(), lambda _seq: None).run())

    async def is_read() -> bool:
        return await known(db) == ["fact1"]

    await until(is_read)
    follower.cancel()
    assert await cursor(db) == 3


async def test_two_processes_make_it_while_a_third_still_reads(db: Database, bus: Bus, nats_server: NatsServer, database_url: str) -> None:
    """Whoever is first: one stream, and its first number is the one after the cursor."""
    others = [await Database.open(database_url) for _ in range(2)]
    seen = await settle(db, bus.js)
    try:
        for _ in range(5):
            reading = asyncio.create_task(read_on(db, seen.identity))
            await bus.js.delete_stream(subjects.EVENTS)
            first, second = await asyncio.gather(*(settle(other, bus.js) for other in others))
            assert first.identity == second.identity != seen.identity
            async with asyncio.timeout(10):
                await reading
            assert first.first == await cursor(db) + 1
            seen = first
    finally:
        for other in others:
            await other.close()


async def read_on(db: Database, stream: str) -> None:
    """Commit events of that stream one after another, until it is fenced off."""
    while True:
        at = await cursor(db)
        try:
            await commit(db, stream, at, at + 1)
        except Fenced:
            return
        await asyncio.sleep(0)


async def test_a_process_that_died_after_making_it(db: Database, bus: Bus) -> None:
    """The stream is kept with what came since, for all of it is unread."""
    before = await settle(db, bus.js)
    await commit(db, before.identity, 0, 1, 2)
    await bus.js.delete_stream(subjects.EVENTS)
    made = await streams.make_events(bus.js, 3)
    await bus.publish(SUBJECT, fact(1), "fact1")
    after = await settle(db, bus.js)
    assert (after.identity, after.last) == (made.identity, 3)


async def test_one_whose_numbers_were_used_before_is_made_anew(db: Database, bus: Bus) -> None:
    before = await settle(db, bus.js)
    await commit(db, before.identity, 0, 1, 2)
    await bus.js.delete_stream(subjects.EVENTS)
    await streams.make_events(bus.js, 1)
    for number in range(5):
        await bus.publish(SUBJECT, fact(number), f"fact{number}")
    after = await settle(db, bus.js)
    assert (after.first, after.last) == (3, 2)


async def test_what_was_said_to_a_stream_that_is_gone_is_said_again(db: Database, bus: Bus) -> None:
    """Though the numbers of the new one pass the one that it had."""

    async def rebuild(_app_id: str) -> None:
        return None

    relay = Relay(db, rebuild)
    relay.attach(bus)
    first = await settle(db, bus.js)
    running = [asyncio.create_task(relay.run())]
    async with db.begin() as tx:
        tx.record("test.happened", "It happened.", event_id="once")

    async def is_said() -> bool:
        seen = await streams.look(bus.js, subjects.EVENTS)
        return seen is not None and seen.last >= first.first

    await until(is_said)
    await bus.js.delete_stream(subjects.EVENTS)
    await settle(db, bus.js)
    for number in range(3):
        await bus.publish(SUBJECT, fact(number), f"fact{number}")
    running.append(asyncio.create_task(Follower(db, bus, Wakes(), relay.read_to).run()))

    async def is_read() -> bool:
        return await known(db) == ["fact0", "fact1", "fact2", "once"]

    async def is_cleared() -> bool:
        async with db.connect() as connection:
            return not (await connection.exec_driver_sql("SELECT id FROM outbox")).all()

    await until(is_read)
    await until(is_cleared)
    for task in running:
        task.cancel()


async def test_a_stream_that_goes_while_the_last_rows_are_read(db: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had is said again before anything new, not some time later."""

    async def rebuild(_app_id: str) -> None:
        return None

    relay = Relay(db, rebuild)
    relay.attach(bus)
    await settle(db, bus.js)
    async with db.begin() as tx:
        tx.record("test.happened", "It happened.", event_id="once")
    await relay._sweep()
    rows, goes = relay._rows, True

    async def lose(after: int, before: float | None) -> Any:
        nonlocal goes
        found = await rows(after, before)
        if goes and not found:
            goes = False
            await bus.js.delete_stream(subjects.EVENTS)
            await settle(db, bus.js)
            relay.events_lost()
        return found

    monkeypatch.setattr(relay, "_rows", lose)
    relay._is_behind = True
    await relay._sweep()
    assert not goes
    assert (await bus.js.stream_info(subjects.EVENTS)).state.messages == 1
