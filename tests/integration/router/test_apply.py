"""One app that the proxy cannot be given, or a reload that goes another way than it is said to, costs no other app anything."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common import subjects
from libs.common.bucket import Mirror
from libs.common.bus import Bus
from libs.common.messages.api import Front
from libs.common.messages.router import Applied
from services.router import __main__ as router
from services.router import haproxy, runtime_api
from services.router.announce import Announcer
from services.router.certificates import Authority
from services.router.drain import Drains
from services.router.files import Files
from services.router.handlers import Router
from services.router.haproxy import HAProxy
from services.router.own import Own
from services.router.problem import Problem
from services.router.waker import Waker
from tests.integration.router.inside import Inside, say
from tests.integration.router.replica import Replica
from tests.integration.router.stack import until
from tests.integration.router.test_front import KEY, guard, sent
from tests.integration.router.traffic import WebSocket, connect

A, B, C = "app-1.localhost", "app-2.localhost", "app-3.localhost"
ONE, TWO, THREE = "app-1", "app-2", "app-3"


@contextlib.asynccontextmanager
async def started(inside: Inside) -> AsyncIterator[Inside]:
    try:
        yield await inside.start()
    finally:
        await inside.end()


@pytest.fixture
async def inside(home: Path) -> AsyncIterator[Inside]:
    """With room for four apps."""
    async with started(Inside(home, capacity=4, secret_key=KEY)) as inside:
        yield inside


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file is there, HAProxy does not take a configuration with more than one backend."""
    mark, folder = tmp_path / "full", tmp_path / "bin"
    mark.touch()
    folder.mkdir()
    script = folder / "haproxy"
    real = shutil.which("haproxy", path=haproxy._PATH)
    refuse = f"if [ \"$1\" = -c ] && [ -e {mark} ] && grep -q '^backend app0001' \"$3\"; then echo '[ALERT] (1) : no room'; exit 1; fi"
    script.write_text(f'#!/bin/sh\n{refuse}\nexec {real} "$@"\n', encoding="ascii")
    script.chmod(0o755)
    monkeypatch.setattr(haproxy, "_PATH", f"{folder}:{haproxy._PATH}")
    return mark


async def test_more_backends_that_the_proxy_refuses_hold_only_those_up_that_need_them(
    home: Path, full: Path, replicas: list[Replica]
) -> None:
    first, second, third = replicas
    async with started(Inside(home)) as inside:
        await inside.put(ONE, first.upstream())
        inside.take(TWO, second.upstream())
        inside.take(ONE, third.upstream())
        await inside.applier.apply([TWO, ONE])
        assert (await inside.ask(A))[1]["name"] == third.name
        assert "no room" in inside.applier.refusals.apps[TWO]
        await inside.put(THREE, second.upstream())
        await inside.put(THREE, gone=True)
        assert (inside.applier.refusals.apps.keys(), inside.table.slots.keys()) == ({TWO}, {ONE, TWO})

        await asyncio.to_thread(full.unlink)
        await until(lambda: inside.applier.refusals.due)
        await inside.applier.apply([TWO])
        assert (inside.applier.refusals.problem, (await inside.ask(B))[1]["name"]) == ("", second.name)


async def test_nothing_is_reloaded_for_a_challenge(home: Path, replicas: list[Replica]) -> None:
    """The table may not be whole yet, and what it lacks would be lost."""
    async with started(Inside(home)) as inside:
        await inside.put(ONE, replicas[0].upstream())
        before = await inside.worker()
        inside.take(TWO, replicas[1].upstream())
        await inside.applier.apply(())
        assert await inside.worker() == before


class Late(HAProxy):
    """It comes up, but later than is waited for."""

    async def reload(self) -> None:
        await super().reload()
        raise Problem("HAProxy does not serve after 10 seconds: it said nothing")


async def test_a_reload_that_comes_about_late_is_seen(home: Path, replicas: list[Replica]) -> None:
    async with started(Inside(home, process=Late)) as inside:
        await inside.put(ONE, replicas[0].upstream())
        before = await inside.worker()
        socket = await WebSocket.open(inside.root, inside.port, A)
        await inside.put(TWO, replicas[1].upstream())
        assert (await inside.ask(B))[1]["name"] == replicas[1].name
        assert inside.applier.replaced.pids == (before,)
        assert await socket.echoes()
        socket.close()


class Slow(HAProxy):
    """Another worker serves, and nobody was told yet."""

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self.came, self.told = asyncio.Event(), asyncio.Event()

    async def reload(self) -> None:
        await super().reload()
        self.came.set()
        await self.told.wait()


async def test_sessions_are_never_counted_without_those_of_the_worker_that_is_just_replaced(
    home: Path, bus: Bus, replicas: list[Replica]
) -> None:
    old, new, other = replicas
    said: list[int] = []
    mirror = Mirror(bus, subjects.APPLIED, Applied, on_change=lambda _, entry: said.extend(entry.sessions.values() if entry else ()))
    async with started(Inside(home, process=Slow)) as inside:
        assert isinstance(inside.haproxy, Slow)
        announcer = Announcer(bus, "rtr_1")
        drains = Drains(table=inside.table, files=inside.files, applier=inside.applier, announcer=announcer)
        tasks = [asyncio.create_task(work) for work in (mirror.run(), drains.run())]
        await inside.put(ONE, old.upstream())
        socket = await WebSocket.open(inside.root, inside.port, A)
        await inside.put(ONE, new.upstream(), old.upstream(draining=True))
        drains.follow([ONE])
        await until(lambda: said == [1])
        growing = asyncio.create_task(inside.put(TWO, other.upstream()))
        await inside.haproxy.came.wait()
        with pytest.raises(TimeoutError):
            await until(lambda: 0 in said, seconds=1)
        inside.haproxy.told.set()
        await growing
        assert await socket.echoes()
        assert 0 not in said
        socket.close()
        await until(lambda: said[-1] == 0)
        for task in tasks:
            task.cancel()


async def test_apps_are_applied_again_where_somebody_else_reloads(inside: Inside, bus: Bus, replicas: list[Replica]) -> None:
    """The files may be older than what the worker of before was told."""
    announcer, waker = Announcer(bus, "rtr_1"), Waker(bus, inside.table, name="w", seconds=1)
    drains = Drains(table=inside.table, files=inside.files, applier=inside.applier, announcer=announcer)
    handler = Router(table=inside.table, proxy=inside.proxy, applier=inside.applier, announcer=announcer, drains=drains, waker=waker)
    tasks = [asyncio.create_task(work) for work in (handler.run(), handler.retry())]
    await inside.put(ONE, replicas[0].upstream())
    await inside.haproxy.reload()
    assert (await inside.ask_plainly(A))[0] == 404
    await inside.put(TWO, replicas[1].upstream())
    assert (await inside.ask(B))[1]["name"] == replicas[1].name
    await until(lambda: announcer.revision(ONE))
    assert (await inside.ask(A))[1]["name"] == replicas[0].name
    for task in tasks:
        task.cancel()


async def test_a_guarded_app_s_host_leads_to_it_only_once_the_password_is_asked_for(home: Path, replicas: list[Replica]) -> None:
    """In a batch in which much else comes between."""
    seen: set[int] = set()

    async def knock(inside: Inside) -> None:
        while 401 not in seen:
            seen.add((await inside.ask_plainly(A))[0])

    async with started(Inside(home, capacity=512, secret_key=KEY)) as inside:
        inside.take(ONE, replicas[0].upstream(), front=Front(https_redirect=False, basic_auth=guard(ada="a long password")))
        many = [f"app-9{number:03d}" for number in range(300)]
        for app_id in many:
            inside.take(app_id, replicas[1].upstream())
        knocking = [asyncio.create_task(knock(inside)) for _ in range(4)]
        await until(lambda: seen)
        await inside.applier.apply([ONE, *many])
        await asyncio.gather(*knocking)
        assert seen == {404, 401}
        assert (await inside.ask(A, Authorization=f"Basic {sent('ada', 'a long password')}"))[0] == 200


async def test_a_password_that_was_taken_away_is_none_for_connections_from_before_a_reload_either(
    home: Path, replicas: list[Replica]
) -> None:
    ada, bob = (f"Basic {sent(name, 'a long password')}" for name in ("ada", "bob"))
    both, one = (Front(basic_auth=guard(**dict.fromkeys(names, "a long password"))) for names in (("ada", "bob"), ("ada",)))
    up = replicas[0].upstream()
    async with started(Inside(home, secret_key=KEY)) as inside:
        await inside.put(ONE, up, front=both)
        connections = [await connect(inside.root, inside.port, A) for _ in range(4)]
        assert [(await say(*each, A, Authorization=bob))[0] for each in connections] == [200] * 4
        await inside.put(TWO, up)
        assert await inside.haproxy.old_workers()
        assert (await say(*connections[0], A, Authorization=bob))[0] == 200
        await inside.put(ONE, up, front=one)
        assert (await say(*connections[1], A, Authorization=bob))[0] == 401
        assert (await say(*connections[2], A, Authorization=ada))[0] == 200
        await inside.put(ONE, up, front=Front(maintenance=60))
        assert (await say(*connections[3], A))[1]["code"] == "app_in_maintenance"


def leaf(folder: Path, host: str) -> str:
    """A certificate and its key, of another authority."""
    files = Files(str(folder))
    files.make()
    Authority(files, "other", {}).ensure(host)
    return files.certificate(host).read_text(encoding="ascii")


async def test_a_certificate_that_the_proxy_refuses_comes_by_a_reload(home: Path, tmp_path: Path, replicas: list[Replica]) -> None:
    own: dict[str, str] = {}
    async with started(Inside(home, capacity=4, sources=[own.get])) as inside:
        await inside.put(ONE, replicas[0].upstream())
        path = inside.files.certificate("localhost")
        spoiling = f"set ssl cert {path} <<\n{path.read_text(encoding='ascii').strip()}\n"
        [answer] = await runtime_api.ask(inside.files.admin, [spoiling])  # never committed: it takes no other host's
        assert "Transaction created" in answer
        own[A] = leaf(tmp_path, A)
        await inside.applier.show([A])
        inside.root = tmp_path / "router" / "ca" / "root.crt"
        assert (await inside.ask(A))[1]["name"] == replicas[0].name


async def test_a_certificate_that_cannot_be_written_holds_up_its_own_app_alone(inside: Inside, replicas: list[Replica]) -> None:
    """And no host is forgotten that the proxy still has."""
    first, second, third = replicas
    await inside.put(ONE, first.upstream())
    broken = inside.files.certificate("new.localhost")
    broken.mkdir()
    inside.take(TWO, second.upstream(), hosts=(A, "new.localhost"))
    inside.take(ONE, gone=True)
    inside.take(THREE, third.upstream())
    await inside.applier.apply([TWO, ONE, THREE])
    assert inside.applier.refusals.apps.keys() == {TWO}
    assert (await inside.ask(C))[1]["name"] == third.name
    await inside.put("app-4", third.upstream())  # it may have the backend now
    assert (await inside.ask_plainly(A))[0] == 404
    broken.rmdir()
    await inside.applier.apply([TWO])
    assert (await inside.ask(A))[1]["name"] == second.name


async def test_our_own_certificate_is_shown_though_the_authority_cannot_be_looked_at(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "_LOOK_SECONDS", 0.05)
    own = Own(str(tmp_path / "own"))
    inside = Inside(home, sources=[own.find])
    following = asyncio.create_task(router._follow_files(own, inside.shown, inside.applier))
    inside.take(ONE)
    pem = leaf(tmp_path, A)
    shutil.rmtree(inside.files.authority)  # a root that is made anew cannot be written there
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.pem").write_text(pem, encoding="ascii")
    await until(lambda: inside.files.certificate(A).is_file() and inside.files.certificate(A).read_text(encoding="ascii") == pem)
    following.cancel()
