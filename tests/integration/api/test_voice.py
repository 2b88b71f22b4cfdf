"""What follows from the bus is shown before the disk has it, and said after; what a power failure takes back is derived again."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from libs.common import clock
from libs.common.bus import Bus
from libs.common.messages.api import Recorded
from services.api.apps.desired import everything, rebuild
from services.api.cursor import Follower
from services.api.db import inline
from services.api.db.database import Database
from services.api.event_stream import settle
from services.api.events.models import EventRow
from services.api.relay import Relay
from services.api.wakes import Wakes
from tests.servers import sqlite
from tests.servers.nats import NatsServer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dockup.db"


@pytest.fixture
def url(path: Path) -> str:
    return sqlite.migrated(path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = await Database.open(url)
    yield db
    await db.close()


async def nothing(_app_id: str) -> None:
    """No app is wished for."""


class Disk:
    """Takes what it is given to sync when `ready` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.ready = asyncio.Event(), asyncio.Event()
        self._sync = inline.sync
        monkeypatch.setattr(inline, "sync", self.sync)

    async def sync(self, path: str) -> None:
        self.asked.set()
        await self.ready.wait()
        await self._sync(path)


@pytest.fixture
def said(db: Database) -> "asyncio.Queue[str]":
    queue: asyncio.Queue[str] = asyncio.Queue()
    db.voice.say = lambda entries: [queue.put_nowait(entry.message_id) for entry in entries] and None
    return queue


async def write(db: Database, name: str, *, derived: bool) -> None:
    async with db.begin(derived=derived) as tx:
        await tx.connection.execute(text("INSERT INTO meta (name, value) VALUES (:name, 'x')"), {"name": name})
        tx.record("test.happened", "It happened.", event_id=name)


async def written(db: Database) -> set[str]:
    async with db.connect() as connection:
        return set((await connection.execute(text("SELECT name FROM meta WHERE value = 'x'"))).scalars())


async def test_it_is_seen_at_once_and_said_when_the_disk_has_it(
    db: Database, said: "asyncio.Queue[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    for name in ("one", "two"):
        await write(db, name, derived=True)
    await disk.asked.wait()
    assert (await written(db), said.empty()) == ({"one", "two"}, True)
    disk.ready.set()
    async with asyncio.timeout(30):
        assert [await said.get(), await said.get()] == ["one", "two"]


async def test_a_commit_that_waits_for_the_disk_takes_those_before_it_along(
    db: Database, said: "asyncio.Queue[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    await write(db, "derived", derived=True)
    await disk.asked.wait()
    await write(db, "asked for", derived=False)
    assert [said.get_nowait(), said.get_nowait()] == ["derived", "asked for"]
    disk.ready.set()
    await write(db, "after", derived=True)
    async with asyncio.timeout(30):
        assert await said.get() == "after"
    assert said.empty()


async def test_a_commit_that_wrote_nothing_takes_nothing_along(
    db: Database, said: "asyncio.Queue[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    await write(db, "derived", derived=True)
    await disk.asked.wait()
    async with db.begin() as tx:
        await tx.connection.execute(text("UPDATE meta SET value = 'y' WHERE name = 'nobody'"))
    assert said.empty()
    disk.ready.set()
    async with asyncio.timeout(30):
        assert await said.get() == "derived"


async def test_what_another_process_left_is_said_when_the_disk_has_it(
    db: Database, url: str, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(db, "left", derived=True)
    other = await Database.open(url)
    relay, bus = Relay(other, nothing), await Bus.connect(nats_server.url, "api")
    await settle(other, bus.js)
    disk = Disk(monkeypatch)
    relay.attach(bus)
    running = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(30):
            await disk.asked.wait()
            assert (await bus.js.stream_info("EVENTS")).state.messages == 0
            disk.ready.set()
            while not (await bus.js.stream_info("EVENTS")).state.messages:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await other.close()
        await bus.close()


async def test_what_is_made_anew_from_rows_waits_for_the_disk(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for reading in (everything(db), rebuild(db, "app_none")):
        disk = Disk(monkeypatch)
        task = asyncio.create_task(reading)
        async with asyncio.timeout(30):
            await disk.asked.wait()
            assert not task.done()
            disk.ready.set()
            assert not await task


async def test_the_log_of_a_file_behind_a_link_is_synced(path: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    db = await Database.open(url.replace(str(path), str(link)))
    synced: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
        await inline.sync(str(link))
    await db.close()
    assert synced == [Path(f"{path}-wal")]


async def test_what_was_undone_is_neither_said_nor_audited(db: Database) -> None:
    async with db.begin() as tx:
        with contextlib.suppress(ValueError):
            async with tx.attempt():
                tx.record("test.happened", "It happened.")
                raise ValueError
        assert (tx.entries, tx.acts) == ([], [])


async def test_a_disk_that_fails_is_tried_again(db: Database, said: "asyncio.Queue[str]", monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    async def sync(path: str) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(inline, "sync", sync)
    monkeypatch.setattr("services.api.db.voice._PAUSE", 0.01)
    await write(db, "patient", derived=True)
    async with asyncio.timeout(30):
        assert (await said.get(), len(calls)) == ("patient", 2)


async def feed(db: Database) -> list[tuple[int, str]]:
    async with db.connect() as connection:
        rows = await connection.execute(select(EventRow.seq, EventRow.event_id).order_by(EventRow.seq))
        return [(row.seq, row.event_id) for row in rows]


async def read_on(db: Database, bus: Bus, last: str) -> list[tuple[int, str]]:
    following = asyncio.create_task(Follower(db, bus, Wakes(), lambda _seq: None).run())
    try:
        async with asyncio.timeout(30):
            while not (found := await feed(db)) or found[-1][1] != last:
                await asyncio.sleep(0.01)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return found


def copy(path: Path, folder: Path) -> None:
    """What the disk has of a database: itself and its log."""
    folder.mkdir(exist_ok=True)
    for part in (path, Path(f"{path}-wal")):
        shutil.copy(part, folder)


async def test_what_a_power_failure_takes_back_is_read_again(nats_server: NatsServer, path: Path, url: str, tmp_path: Path) -> None:
    bus = await Bus.connect(nats_server.url, "api")
    db = await Database.open(url)
    await settle(db, bus.js)

    async def happen(name: str) -> None:
        event = Recorded(event_id=name, type="test.happened", at=clock.now(), app_id=None, project_id=None, message="It happened.")
        await bus.publish("dockup.evt.api.Recorded._", event, name)

    await happen("kept")
    await read_on(db, bus, "kept")
    copy(path, tmp_path / "after")
    await happen("lost")
    shown = await read_on(db, bus, "lost")
    await db.close()

    again = await Database.open(f"sqlite+aiosqlite:///{tmp_path}/after/{path.name}")
    assert [name for _, name in await feed(again)] == ["kept"]
    assert await read_on(again, bus, "lost") == shown
    await again.close()
    await bus.close()
