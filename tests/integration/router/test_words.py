"""What a router says of itself: again where it may have been lost, and never of an app that is gone."""

import asyncio

from libs.common import subjects
from libs.common.bus import Bus
from services.router.announce import Announcer
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until


async def test_sessions_are_said_with_every_revision(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    old, new, _ = replicas
    await stack.route(app, old.upstream())
    for _ in range(3):
        route = await stack.put(app, new.upstream(), old.upstream(draining=True))
        await stack.wait_applied(route)
        await until(lambda: stack.sessions(app) == {old.name: 0})


async def test_the_same_revision_applied_again_says_them_again(stack: Stack, replicas: list[Replica]) -> None:
    """As after a restart of the proxy alone, or a change of another app's hosts."""
    await stack.start()
    app, other = new_app(), new_app()
    old, new, _ = replicas
    await stack.route(app, old.upstream())
    shared = (stack.host(app), "shared.localhost")
    await stack.route(app, new.upstream(), old.upstream(draining=True), hosts=shared)
    await until(lambda: stack.sessions(app) == {old.name: 0})
    for hosts in (("shared.localhost",), (stack.host(other),)) * 3:
        # The other app takes a host of the first and gives it back: both are applied again.
        await stack.route(other, replicas[2].upstream(), hosts=hosts)
        await until(lambda: stack.sessions(app) == {old.name: 0})


async def test_many_apps_drain_side_by_side(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    apps = [new_app() for _ in range(40)]
    old, new, _ = replicas
    for app in apps:
        await stack.route(app, old.upstream())
    await asyncio.gather(*(_switch(stack, app, old, new, 0.01 * number) for number, app in enumerate(apps)))
    pong = await stack.ping()
    assert pong is not None
    assert pong.status == "ok"


async def _switch(stack: Stack, app: str, old: Replica, new: Replica, pause: float) -> None:
    await asyncio.sleep(pause)
    await stack.route(app, new.upstream(), old.upstream(draining=True))
    await until(lambda: stack.sessions(app) == {old.name: 0})


async def test_routes_that_cannot_be_read_are_passed_over(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    bucket = await stack.bus.js.key_value(subjects.ROUTES)
    for body in (b"{broken", b'{"app_id":7}', b'{"app_id":"%s","slug":"x","revision":99,"v":2}' % app.encode()):
        await bucket.put(app, body)
        async with asyncio.timeout(15):
            while (pong := await stack.ping()) is None or f"routes/{app}" not in pong.detail:
                await asyncio.sleep(0.02)
        assert pong.status == "degraded"
        assert (await stack.get(app)).status_code == 200
        await stack.route(app, replicas[1].upstream())
        assert (await stack.get(app)).json()["name"] == replicas[1].name


async def test_an_app_may_be_forgotten_while_others_are_said_again(bus: Bus) -> None:
    announcer = Announcer(bus, "rtr_1")
    listing = asyncio.create_task(announcer.mirror.run())
    apps = [f"app_{number}" for number in range(200)]
    for app in apps:
        await announcer.say(app, 1, {})
    await until(lambda: len(announcer.mirror.entries) == len(apps))
    # The bus loses them all: they are said again, one after another.
    kv = await bus.js.key_value(subjects.APPLIED)
    await asyncio.gather(*(kv.purge(f"{app}.rtr_1") for app in apps))
    await until(lambda: not announcer.mirror.entries)
    announcer._compare()
    saying = asyncio.create_task(announcer.run())
    await until(lambda: announcer.mirror.entries)
    for app in apps:
        await announcer.forget(app)
    await until(lambda: not announcer.mirror.entries)
    assert not saying.done(), saying.exception()
    for task in (saying, listing):
        task.cancel()
