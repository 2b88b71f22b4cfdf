"""The log of a deployment: kept, live by SSE and WebSocket, for who may see it and as long as they may."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from libs.common import clock, ids, subjects
from libs.common.messages.builder import BuildLine
from libs.common.messages.runtime import LogLine
from services.api.build_logs import feed
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]


@pytest_asyncio.fixture(loop_scope="module")
async def deployment(api: ApiServer, world: World, app: Json) -> Json:
    made: Json = (await api.client.post(f"/apps/{app['id']}/deploy")).json()
    await world.command(app["id"])
    await world.image_started(made)
    return made


async def write(world: World, deployment: Json, *messages: str, step: int = 0) -> None:
    """One message of the builder's, with a line for each."""
    lines = [BuildLine(at=clock.now(), stream="stdout", step=step, message=message) for message in messages]
    await world.builder.publish(subjects.log(deployment["id"], "build"), lines, ids.new("line"))


async def last_words(world: World, deployment: Json, message: str) -> str:
    name = f"dk-{deployment['app_id']}-web-r1.0-0"
    line = LogLine(at=clock.now(), stream="stderr", replica=name, message=message)
    await world.runtime.publish(subjects.log(deployment["id"], name.replace(".", "_")), [line], ids.new("line"))
    return name


async def events(api: ApiServer, deployment: Json, *, token: str = "", last: str | None = None) -> AsyncIterator[tuple[str, str, Json]]:
    """Id, name and data of each server-sent event, until the stream ends."""
    client = api.as_token(token) if token else api.client
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    async with client.stream("GET", f"/deployments/{deployment['id']}/logs", headers=headers, timeout=30) as stream:
        assert stream.status_code == 200, await stream.aread()
        fields: dict[str, str] = {}
        async for line in stream.aiter_lines():
            if not line and "data" in fields:
                yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
            if not line:
                fields = {}
            else:
                name, _, value = line.partition(": ")
                fields[name] = value


def socket_url(api: ApiServer, deployment: Json, **query: str) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{api.url.replace('http', 'ws', 1)}/api/v1/deployments/{deployment['id']}/logs/stream?{asked}"


def token_of(api: ApiServer) -> str:
    return api.client.headers["Authorization"].removeprefix("Bearer ")


async def test_what_is_kept(api: ApiServer, world: World, deployment: Json) -> None:
    path = f"/deployments/{deployment['id']}/logs"
    assert (await api.client.get(path)).json() == {"items": [], "next_after": None, "ended": False}
    await write(world, deployment, "one", "two", step=1)
    await write(world, deployment, "three", step=2)
    name = await last_words(world, deployment, "I died")
    await write(world, {"id": "dep_other"}, "somebody else's")
    whole = (await api.client.get(path)).json()
    assert [(it["message"], it["step"], it["replica"]) for it in whole["items"]] == [
        ("one", 1, None),
        ("two", 1, None),
        ("three", 2, None),
        ("I died", 0, name),
    ]
    first = (await api.client.get(f"{path}?limit=1")).json()
    rest = (await api.client.get(f"{path}?after={first['next_after']}")).json()
    assert first["items"] + rest["items"] == whole["items"]
    nothing = (await api.client.get(f"{path}?after={whole['next_after']}")).json()
    assert (nothing["items"], nothing["next_after"]) == ([], whole["next_after"])
    text = await api.client.get(path, headers={"Accept": "text/plain"})
    assert (text.text, text.headers["content-type"]) == ("one\ntwo\nthree\nI died\n", "text/plain; charset=utf-8")


@pytest.mark.parametrize("after", ["x", "1", "1.2.3", "-1.0", "1.-1", "²." + "0", "9" * 25 + ".0"])
async def test_what_is_no_cursor(api: ApiServer, deployment: Json, after: str) -> None:
    for given in ({"params": {"after": after}}, {"headers": {"Last-Event-ID": after.encode()}}):
        answer = await api.client.get(f"/deployments/{deployment['id']}/logs", **given)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed"), answer.text
    beyond = await api.client.get(f"/deployments/{deployment['id']}/logs?after=99999999999.0")
    assert (beyond.status_code, beyond.json()["code"]) == (410, "cursor_expired")


async def test_live_until_the_end(api: ApiServer, world: World, deployment: Json) -> None:
    await write(world, deployment, "before")
    seen = []
    async with asyncio.timeout(20):
        async for cursor, name, data in events(api, deployment):
            seen.append((cursor, name, data))
            if len(seen) == 1:
                await write(world, deployment, "meanwhile", "and more")
            elif len(seen) == 3:
                await world.image_failed(deployment, "build_failed")
                await write(world, deployment, "the last word")
    assert [data.get("message") for _, _, data in seen] == ["before", "meanwhile", "and more", "the last word", None]
    assert seen[-1][1:] == ("end", {"status": "failed"})
    again = [data.get("message") async for _, _, data in events(api, deployment, last=seen[1][0])]
    assert again == ["and more", "the last word", None]


async def test_the_log_of_what_is_live_ends_with_that(
    api: ApiServer, world: World, deployment: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has last words then: who watches a deployment is told at once, not at the next look."""
    monkeypatch.setattr(feed, "LOOK_SECONDS", 60.0)
    await write(world, deployment, "built")
    seen = []
    async with asyncio.timeout(20):
        async for _, name, data in events(api, deployment):
            seen.append((name, data.get("status")))
            if name == "log":
                await world.bring_live(deployment)
    assert seen == [("log", None), ("end", "live")]


async def test_a_socket_goes_the_same_way(api: ApiServer, world: World, deployment: Json) -> None:
    await write(world, deployment, "before")
    async with asyncio.timeout(20), connect(socket_url(api, deployment, token=token_of(api))) as socket:
        first = json.loads(await socket.recv())
        await socket.send("nobody listens")
        await write(world, deployment, "meanwhile")
        assert (first["message"], json.loads(await socket.recv())["message"]) == ("before", "meanwhile")
        await world.image_failed(deployment, "build_failed")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "failed")
    async with asyncio.timeout(20), connect(socket_url(api, deployment, token=token_of(api), after=first["cursor"])) as socket:
        assert json.loads(await socket.recv())["message"] == "meanwhile"


async def test_sockets_that_are_refused(api: ApiServer, deployment: Json) -> None:
    cases: list[tuple[Json, Json, int, str]] = [
        (deployment, {}, 401, "unauthenticated"),
        (deployment, {"token": "dkp_" + "x" * 43}, 401, "unauthenticated"),
        ({"id": "dep_none"}, {"token": token_of(api)}, 404, "not_found"),
        (deployment, {"token": token_of(api), "after": "x"}, 400, "validation_failed"),
        (deployment, {"token": token_of(api), "follow": "1"}, 400, "unknown_parameter"),
        (deployment, {"token": token_of(api), "after": "99999999999.0"}, 410, "cursor_expired"),
    ]
    for of, query, status, code in cases:
        with pytest.raises(InvalidStatus) as caught:
            await connect(socket_url(api, of, **query))
        answer = caught.value.response
        assert (answer.status_code, json.loads(answer.body)["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
    plain = await api.client.get(f"/deployments/{deployment['id']}/logs/stream")
    assert (plain.status_code, plain.json()["code"]) == (426, "upgrade_required")
    elsewhere = await api.as_token(None).get(f"/deployments/{deployment['id']}/logs?token={token_of(api)}")
    assert elsewhere.status_code == 401, "a token in the query is a WebSocket's alone"


async def test_both_end_with_the_token(api: ApiServer, world: World, deployment: Json) -> None:
    key = (await api.client.post("/api-keys", json={"name": "reads", "scopes": ["read"]})).json()
    await write(world, deployment, "seen")
    shown: list[str] = []

    async def follow() -> None:
        shown.extend([data.get("message", name) async for _, name, data in events(api, deployment, token=key["key"])])

    async with asyncio.timeout(20), connect(socket_url(api, deployment, token=key["key"])) as socket:
        task = asyncio.create_task(follow())
        assert json.loads(await socket.recv())["message"] == "seen"
        assert (await api.client.delete(f"/api-keys/{key['id']}")).status_code == 204
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        await task
    await write(world, deployment, "not for them")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason, shown) == (1008, "unauthenticated", ["seen"])


async def test_a_slow_reader_holds_up_nobody(api: ApiServer, world: World, deployment: Json) -> None:
    """It does not read at all, while more is written than all buffers on the way take."""
    async with connect(socket_url(api, deployment, token=token_of(api)), max_queue=1) as slow:
        for number in range(60):
            await write(world, deployment, f"{number} " + "x" * 200_000)
        async with asyncio.timeout(20), connect(socket_url(api, deployment, token=token_of(api))) as quick:
            got = [json.loads(await quick.recv())["message"].split()[0] for _ in range(60)]
        assert got == [str(number) for number in range(60)]
        async with asyncio.timeout(20):
            late = [json.loads(await slow.recv())["message"].split()[0] for _ in range(60)]
        assert late == got


async def test_while_the_bus_is_away(api: ApiServer, world: World, bus_server: NatsServer, deployment: Json) -> None:
    await write(world, deployment, "before")
    shown: list[str] = []

    async def follow() -> None:
        async for _, name, data in events(api, deployment):
            shown.append(data.get("message", name))

    async with asyncio.timeout(40):
        task = asyncio.create_task(follow())
        while not shown:
            await asyncio.sleep(0.02)
        bus_server.kill()
        while (answer := await api.client.get(f"/deployments/{deployment['id']}/logs")).status_code != 503:
            await asyncio.sleep(0.05)
        assert (answer.json()["code"], answer.json()["retryable"]) == ("logs_unavailable", True)
        bus_server.start()
        while not (api.core.bus.connected and world.builder.connected):
            await asyncio.sleep(0.05)
        await write(world, deployment, "after")
        while "after" not in shown:
            await asyncio.sleep(0.02)
        await world.image_failed(deployment)
        await task
    assert shown == ["before", "after", "end"]
