"""A switch of replicas under load: nothing fails, nothing is served twice, and what still runs is reported."""

import asyncio
from collections import Counter

from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until
from tests.integration.router.traffic import Load, WebSocket


async def switch(stack: Stack, app: str, old: Replica, new: Replica) -> None:
    """What the runtime does: new ready and old draining, wait for no session, then the old is gone."""
    await stack.route(app, new.upstream(), old.upstream(draining=True))
    await until(lambda: stack.sessions(app).get(old.name) == 0)
    await stack.route(app, new.upstream())


async def test_switches_under_load_lose_nothing(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    quick = Load(stack.root, stack.https_port, stack.host(app)).start(6)
    slow = Load(stack.root, stack.https_port, stack.host(app), "/sleep/0.2").start(4)
    for generation in range(6):
        await quick.sends(60)
        old, new = replicas[generation % 3], replicas[(generation + 1) % 3]
        new.name = f"dk-app-web-r{generation + 4}.0-0"
        await switch(stack, app, old, new)
    await quick.stop()
    await slow.stop()
    assert not quick.failed
    assert not slow.failed
    served = sum((replica.served for replica in replicas), Counter())
    sent = Counter(quick.sent) + Counter(slow.sent)
    assert served == sent


async def test_a_websocket_lives_until_its_replica_is_drained(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    old, new, _ = replicas
    await stack.route(app, old.upstream())
    socket = await WebSocket.open(stack.root, stack.https_port, stack.host(app))
    await stack.route(app, new.upstream(), old.upstream(draining=True))
    await until(lambda: stack.sessions(app).get(old.name) == 1)
    assert await socket.echoes()
    assert (await stack.get(app)).json()["name"] == new.name
    socket.close()
    await until(lambda: stack.sessions(app).get(old.name) == 0)


async def test_a_request_in_flight_is_a_session(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    old, new, _ = replicas
    await stack.route(app, old.upstream())
    slow = asyncio.create_task(stack.get(app, "/sleep/1"))
    await until(lambda: old.open)
    await stack.route(app, new.upstream(), old.upstream(draining=True))
    await until(lambda: stack.sessions(app).get(old.name) == 1)
    assert (await slow).json()["name"] == old.name
    await until(lambda: stack.sessions(app).get(old.name) == 0)


async def test_a_reverting_route_makes_the_old_replica_ready_again(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    old, new, _ = replicas
    await stack.route(app, old.upstream())
    await stack.route(app, new.upstream(), old.upstream(draining=True))
    await stack.route(app, old.upstream())
    assert (await stack.get(app)).json()["name"] == old.name


async def test_the_host_of_a_removed_app_may_go_to_another(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    first, second = sorted((new_app(), new_app()))
    host = "shared.localhost"
    await stack.route(first, replicas[0].upstream(), hosts=(host,))
    await stack.route(second, replicas[1].upstream(), hosts=(host,))
    assert (await stack.ask("GET", host, "/", {})).json()["name"] == replicas[1].name
    await stack.route(second, hosts=())
    assert (await stack.ask("GET", host, "/", {})).json()["name"] == replicas[0].name
