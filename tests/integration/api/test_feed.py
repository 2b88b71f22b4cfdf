"""The feed as pages, long polls and a stream."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.messages.runtime import ReplicaHealthy, ReplicaStarted
from services.api.events import service
from services.api.http.principal import SCOPES, Principal
from services.api.purge import KEPT_EVENTS, purge
from tests.servers.api import ApiServer, World
from tests.stack.eventually import eventually

WHOLE_WAY = 9
"""Events of an app up to its first live deployment."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def all_of(api: ApiServer, app: dict[str, Any], least: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while True:
            items: list[dict[str, Any]] = (await api.client.get(f"/apps/{app['id']}/events?limit=200")).json()["items"]
            if len(items) >= least:
                return items
            await asyncio.sleep(0.02)


async def test_pages(api: ApiServer, live: dict[str, Any]) -> None:
    items = await all_of(api, live, WHOLE_WAY)
    seen, after = [], 0
    while page := (await api.client.get(f"/apps/{live['id']}/events?after={after}&limit=2")).json()["items"]:
        seen += page
        after = page[-1]["seq"]
    assert seen == items
    assert set(items[0]) == {"seq", "type", "at", "app_id", "deployment_id", "actor", "level", "message", "data"}
    assert {item["app_id"] for item in items} == {live["id"]}
    everything = (await api.client.get("/events?limit=200")).json()["items"]
    assert [item for item in everything if item["app_id"] == live["id"]] == items


async def test_what_comes_while_a_page_is_read_is_of_the_next_one(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    """A page says where the next one begins: nothing is shown twice."""
    me = (await api.client.get("/auth/me")).json()
    admin = Principal(user_id=me["id"], email=me["email"], role="admin", scopes=frozenset(SCOPES), actor="test")
    after = (await all_of(api, live, WHOLE_WAY))[-1]["seq"]

    class Slow:
        """A connection between whose first statement and the next something happens."""

        def __init__(self, connection: AsyncConnection) -> None:
            self._connection = connection
            self._is_first = True

        async def execute(self, *statement: Any) -> Any:
            found = await self._connection.execute(*statement)
            if self._is_first:
                self._is_first = False
                await world.replica(ReplicaStarted, live["deployment"], slot=7)
                await eventually(self._has_come)
            return found

        async def _has_come(self) -> bool:
            return bool((await api.client.get(f"/apps/{live['id']}/events?after={after}")).json()["items"])

    async with api.core.db.connect() as connection:
        page = await service.read(cast("AsyncConnection", Slow(connection)), admin, live["id"], after, 100)
    following = (await api.client.get(f"/apps/{live['id']}/events?after={page.next_after}")).json()["items"]
    assert not {item.seq for item in page.items} & {item["seq"] for item in following}
    assert any(item["type"] == "replica.started" for item in following)


async def test_long_poll(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    after = (await api.client.get(f"/apps/{live['id']}/events?limit=200")).json()["next_after"]
    polling = asyncio.create_task(api.client.get(f"/apps/{live['id']}/events?after={after}&wait=20"))
    await asyncio.sleep(0.1)
    await world.replica(ReplicaStarted, live["deployment"], slot=4)
    page = (await polling).json()
    assert page["items"][0]["type"] in {"replica.started", "app.status_changed"}
    empty = (await api.client.get(f"/apps/{live['id']}/events?after={page['next_after']}&wait=1")).json()
    assert empty["next_after"] >= page["next_after"]


async def test_cursors_that_are_none(api: ApiServer, live: dict[str, Any]) -> None:
    past = await api.client.get(f"/apps/{live['id']}/events?after=999999999")
    assert (past.status_code, past.json()["code"]) == (410, "cursor_expired")
    assert (await api.client.get(f"/apps/{live['id']}/events?after={past.json()['restart_after']}")).status_code == 200
    assert (await api.client.get(f"/apps/{live['id']}/events?after=-1")).status_code == 400
    headers = {"Last-Event-ID": "x", "Accept": "text/event-stream"}
    assert (await api.client.get(f"/apps/{live['id']}/events", headers=headers)).status_code == 400
    headers["Last-Event-ID"] = "999999999"
    assert (await api.client.get(f"/apps/{live['id']}/events", headers=headers)).status_code == 410


async def read_stream(answer: httpx.Response, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    seq = 0
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            seq = int(line[4:])
        if line.startswith("data: "):
            event = msgspec.json.decode(line[6:])
            assert event["seq"] == seq
            found.append(event)
            if len(found) >= count:
                break
    return found


async def test_a_stream_shows_what_a_page_shows(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    items = await all_of(api, live, WHOLE_WAY)
    headers = {"Accept": "text/event-stream"}
    async with api.client.stream("GET", f"/apps/{live['id']}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert await read_stream(answer, len(items)) == items
    headers["Last-Event-ID"] = str(items[-1]["seq"])
    async with api.client.stream("GET", f"/apps/{live['id']}/events", headers=headers) as answer:
        await world.replica(ReplicaHealthy, live["deployment"], slot=5)
        [event] = await asyncio.wait_for(read_stream(answer, 1), 10)
        assert event["type"] == "replica.healthy"


async def test_a_stream_ends_with_its_token(api: ApiServer, live: dict[str, Any]) -> None:
    key = (await api.client.post("/api-keys", json={"name": "stream", "scopes": ["read"]})).json()
    headers = {"Accept": "text/event-stream"}
    async with api.as_token(key["key"]).stream("GET", f"/apps/{live['id']}/events", headers=headers) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        await api.client.delete(f"/api-keys/{key['id']}")
        await api.client.put(f"/apps/{live['id']}", json={"name": "wakes it"})
        async with asyncio.timeout(20):
            async for _ in lines:
                pass


async def test_what_is_kept_for_a_time(api: ApiServer, live: dict[str, Any]) -> None:
    items = await all_of(api, live, WHOLE_WAY)
    await purge(api.core.db, datetime.now(UTC) + KEPT_EVENTS + timedelta(minutes=1))
    last = (await api.client.get("/events")).json()["next_after"]
    assert (await api.client.get(f"/apps/{live['id']}/events")).json() == {"items": [], "next_after": last}
    old = await api.client.get(f"/apps/{live['id']}/events?after={items[0]['seq']}")
    assert (old.status_code, old.json()["code"]) == (410, "cursor_expired")
    assert (await api.client.get(f"/apps/{live['id']}/events?after={old.json()['restart_after']}")).status_code == 200
