"""The proxy takes up a new configuration: what the worker of before still holds goes where the router says."""

import asyncio
import json

import pytest

from libs.common import subjects
from libs.common.bus import Bus
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until
from tests.integration.router.test_traffic import Heard
from tests.integration.router.test_waker import is_called, sleeping
from tests.integration.router.traffic import WebSocket, answer, connect

KILOBYTES = 100
EACH = 25


async def reload(stack: Stack, replica: Replica, times: int = 1) -> None:
    """More apps than backends, so often."""
    capacity = (stack.files / "haproxy.cfg").read_text(encoding="utf-8").count("\nbackend app")
    for _ in range(times):
        await asyncio.gather(*(stack.route(new_app(), replica.upstream()) for _ in range(capacity)))
        capacity *= 2


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.long), 2])
async def test_what_is_held_while_the_proxy_reloads_is_answered(stack: Stack, replicas: list[Replica], times: int) -> None:
    stack.set(router_backends="1", scale_seconds="0.5")
    heard, metrics = Heard(), await Bus.connect(stack.nats.url, "metrics")
    await metrics.listen(subjects.TRAFFIC, heard.take)
    await stack.start()
    app, _ = await sleeping(stack)
    body = "x" * KILOBYTES * 1024
    posts = [asyncio.create_task(stack.ask("POST", stack.host(app), f"/{n}", {"X-Id": f"p{n}"}, content=body)) for n in range(EACH)]
    gets = [asyncio.create_task(stack.get(app, f"/{n}", X_Id=f"g{n}")) for n in range(EACH)]
    opening = asyncio.create_task(WebSocket.open(stack.root, stack.https_port, stack.host(app)))
    await is_called(stack, app)
    await reload(stack, replicas[2], times)
    assert not any(task.done() for task in [*posts, *gets, opening])
    await stack.route(app, replicas[0].upstream())
    answers = await asyncio.gather(*gets, *posts)
    assert [reply.status_code for reply in answers] == [200] * 2 * EACH
    assert all(reply.json()["body"] == body for reply in answers[EACH:])
    assert replicas[0].served == {f"{kind}{n}": 1 for kind in "gp" for n in range(EACH)}
    assert answers[0].json()["headers"]["x-forwarded-port"] == str(stack.https_port)

    socket = await opening
    await stack.route(app, replicas[1].upstream(), replicas[0].upstream(draining=True))
    await until(lambda: stack.sessions(app).get(replicas[0].name) == 1)
    assert await socket.echoes()
    await until(lambda: heard.words and heard.open(app) == 1)  # who has something open is not idle, and is not put to sleep
    socket.close()
    await until(lambda: stack.sessions(app).get(replicas[0].name) == 0)
    await metrics.close()


async def test_an_open_connection_follows_what_came_after_a_reload(stack: Stack, replicas: list[Replica]) -> None:
    stack.set(router_backends="4", scale_seconds="0.5")
    heard, metrics = Heard(), await Bus.connect(stack.nats.url, "metrics")
    await metrics.listen(subjects.TRAFFIC, heard.take)
    await stack.start()
    await until(lambda: heard.words)
    old, new, other = replicas
    apps = moved, paused, gone = new_app(), new_app(), new_app()
    for app in apps:
        await stack.route(app, old.upstream())
    connections = [await connect(stack.root, stack.https_port, stack.host(app)) for app in apps]

    async def ask(app: str) -> tuple[int, dict[str, str]]:
        reader, writer = connections[apps.index(app)]
        writer.write(f"GET / HTTP/1.1\r\nHost: {stack.host(app)}\r\n\r\n".encode())
        async with asyncio.timeout(30):
            status, _, text = await answer(reader)
        return status, json.loads(text)

    assert [(await ask(app))[0] for app in apps] == [200] * 3
    await reload(stack, other)
    await stack.route(moved, new.upstream())
    await stack.route(paused, old.upstream(draining=True), paused=True)
    await stack.route(gone, hosts=())
    await stack.route(new_app(), new.upstream())  # it has the backend now
    await old.stop()
    assert (await ask(moved))[1]["name"] == new.name
    await until(lambda: heard.requests(moved) == 2)
    await metrics.close()
    assert (await ask(paused))[1]["code"] == "app_paused"
    assert (await ask(gone))[1]["code"] == "app_not_running"
