"""The database goes away for some seconds while people are in terminals and read logs: they stay, and what is revoked ends."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import pytest_asyncio
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql import text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from libs.common import clock, subjects
from libs.common.live.channel import Channel
from libs.common.messages.builder import BuildLine
from libs.common.messages.sessions import Ended
from services.api.http.answers import database_away
from services.api.http.problems import Problem
from services.api.http.watching import LOOK_SECONDS, Standing, refusal
from services.runtime.endings import Endings
from services.runtime.sessions import Kind, Session, Sessions
from tests.servers.api import ApiServer, World
from tests.servers.postgres import PostgresServer
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def database_url(postgres: PostgresServer) -> str:
    """A file has no outages of its own."""
    return postgres.create_database()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sessions(world: World, home: Path) -> AsyncIterator[Sessions]:
    """The runtime's side, with kinds that say everything back, and a line."""

    async def serve(channel: Channel) -> Ended:
        await channel.send(b"a line")
        while (frame := await channel.receive()) is not None:
            await channel.send(frame.body)
        return Ended(reason="unheard")

    async def begin(_app_id: str, _request: msgspec.Raw) -> Session:
        return Session(serve=serve, replica="r1")

    sessions = Sessions(world.runtime, {name: Kind(open=begin, most=4) for name in ("exec", "logs")}, Endings(world.runtime, str(home)))
    await world.runtime.serve("open", sessions.open)
    yield sessions
    await sessions.close()


@pytest.fixture(autouse=True)
def plain_words() -> Iterator[None]:
    """Tracebacks as a service writes them: those for a person's eyes take most of a second each, and an outage has hundreds."""
    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.configure(**before)


class Outage:
    """Nobody is let into one database, and who was in it is put out."""

    def __init__(self, url: str) -> None:
        server, _, self._name = url.rpartition("/")
        self._engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")

    async def begin(self) -> None:
        await self._say(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        await self._say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'")  # noqa: S608 - ours

    async def end(self) -> None:
        await self._say(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")
        await self._engine.dispose()

    async def _say(self, statement: str) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text(statement))


def socket(api: ApiServer, path: str, token: str) -> connect:
    return connect(f"{api.url.replace('http', 'ws', 1)}/api/v1{path}?{urlencode({'token': token})}")


async def closes(client: ClientConnection) -> int | None:
    async with asyncio.timeout(20):
        try:
            while True:
                await client.recv()
        except ConnectionClosed:
            return client.close_code


async def test_sockets_outlive_an_outage(api: ApiServer, world: World, app: Json, database_url: str, sessions: Sessions) -> None:
    """Those of terminals, of an app's log, and of a build's, which goes on with what is written meanwhile."""
    key = (await api.client.post("/api-keys", json={"name": "for a while", "scopes": ["write"]})).json()
    path, outage = f"/apps/{app['slug']}", Outage(database_url)
    made = (await api.client.post(f"{path}/deploy")).json()
    async with (
        socket(api, f"{path}/exec", key["key"]) as shell,
        socket(api, f"{path}/logs/stream", key["key"]) as log,
        socket(api, f"/deployments/{made['id']}/logs/stream", key["key"]) as build,
    ):
        assert (await shell.recv(), await log.recv()) == (b"a line", "a line")
        await outage.begin()
        try:
            away = await api.client.get(path)
            assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")
            await asyncio.sleep(3 * LOOK_SECONDS)  # so long an outage
            await shell.send(b"still here")
            assert await shell.recv() == b"still here"
            assert log.close_code is None
            line = BuildLine(at=clock.now(), stream="build", step=0, message="on")
            await world.builder.publish(subjects.log(made["id"], "build"), [line], "of an outage")
            assert msgspec.json.decode(await build.recv())["message"] == "on"
        finally:
            await outage.end()

        async def revoked() -> bool:
            return (await api.client.delete(f"/api-keys/{key['id']}")).is_success

        await eventually(revoked, 20, what="the database to be back")
        assert [await closes(shell), await closes(log), await closes(build)] == [1008, 1008, 1008]


async def test_nobody_stays_whose_standing_is_not_known() -> None:
    asked: list[int] = []

    async def away() -> None:
        asked.append(1)
        raise DBAPIError("SELECT 1", None, OSError("away"))

    async def revoked_in_between() -> None:
        asked.append(1)
        if len(asked) == 1:
            raise OSError("away")
        raise Problem("unauthenticated")

    assert (await refusal(away, patience=0.0)).code == "database_unavailable"
    asked.clear()
    assert (await refusal(revoked_in_between)).code == "unauthenticated"


async def test_an_outage_is_told_of_once_a_client() -> None:
    away: list[bool] = []

    async def may() -> None:
        if away:
            raise OSError("away")

    with structlog.testing.capture_logs() as told:
        standing = Standing(may)
        for times in (3, 0, 2):
            away[:] = [True] * times
            for _ in range(times or 1):
                assert await standing.refusal() is None
    assert [each["event"] for each in told] == ["socket.not_known"] * 2


@pytest.mark.parametrize(
    ("state", "is_away"), [("57P03", True), ("53300", True), ("08006", True), ("40P01", True), ("42601", False), ("23505", False)]
)
async def test_a_database_that_starts_is_away(state: str, is_away: bool) -> None:  # noqa: FBT001 - a table
    said = type("Said", (Exception,), {"sqlstate": state})()
    assert bool(database_away(DBAPIError("SELECT 1", None, said))) is is_away


async def test_what_is_no_http_is_a_problem_as_well(api: ApiServer) -> None:
    base = api.client.base_url
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(b"GET /api/v1/apps HTTP/1.1\r\nno header: x\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 400")
    assert b"content-type: application/problem+json" in head
    problem = msgspec.json.decode(body)
    assert problem["code"] == "bad_request"
    assert problem["request_id"].encode() in head
