"""More apps than backends: the proxy grows by a seamless reload."""

import asyncio

from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until
from tests.integration.router.traffic import Load, WebSocket


async def test_three_hundred_apps_grow_the_backends(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    watched = new_app()
    await stack.route(watched, replicas[0].upstream())
    web_socket = await WebSocket.open(stack.root, stack.https_port, stack.host(watched))
    load = Load(stack.root, stack.https_port, stack.host(watched)).start(3)
    apps = [new_app() for _ in range(300)]
    await asyncio.gather(*(stack.put(app, replicas[1].upstream()) for app in apps))
    await until(lambda: {entry.app_id for entry in stack.applied.entries.values()} >= set(apps), seconds=60)
    assert (await stack.get(apps[-1])).json()["name"] == replicas[1].name
    assert (stack.files / "haproxy.cfg").read_text(encoding="utf-8").count("\nbackend app") == 512

    # A worker of before the reload still holds the WebSocket: it counts.
    await stack.route(watched, replicas[2].upstream(), replicas[0].upstream(draining=True))
    await until(lambda: stack.sessions(watched).get(replicas[0].name) == 1)
    assert await web_socket.echoes()
    web_socket.close()
    await until(lambda: stack.sessions(watched).get(replicas[0].name) == 0)
    await stack.route(watched, replicas[2].upstream())
    await load.sends(30)
    await load.stop()
    assert not load.failed
