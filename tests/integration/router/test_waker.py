"""A request for an app that sleeps: the proxy holds it, one decision wakes the app, and the request is passed on as it came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from libs.common import clock
from libs.common.messages.scale import Scale
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until
from tests.integration.router.traffic import Load, WebSocket

KILOBYTES = 300


async def decide(stack: Stack, app: str, replicas: int) -> int:
    """What metrics does; returns the decision's number."""
    found = await stack.scale.get(app)
    number = found[0].number + 1 if found else 1
    entry = Scale(app_id=app, replicas=replicas, at=clock.now(), by="metrics", number=number)
    await stack.scale.swap(app, entry, found[1] if found else 0)
    return number


async def decided(stack: Stack, app: str) -> Scale | None:
    found = await stack.scale.get(app)
    return found[0] if found else None


async def is_called(stack: Stack, app: str) -> None:
    async with asyncio.timeout(15):
        while (found := await decided(stack, app)) is None or found.replicas == 0:
            await asyncio.sleep(0.005)


@asynccontextmanager
async def runtime(stack: Stack, app: str, replica: Replica) -> AsyncIterator[None]:
    """What the runtime does, for as long as the block runs: the route follows `scale`."""

    async def follow() -> None:
        awake = False
        while True:
            found = await decided(stack, app)
            wanted = found is not None and found.replicas > 0
            if wanted and not awake:
                await stack.route(app, replica.upstream())
            elif awake and not wanted:
                await stack.route(app, replica.upstream(draining=True), asleep=True)
            awake = wanted
            await asyncio.sleep(0.005)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()


async def sleeping(stack: Stack) -> tuple[str, int]:
    app = new_app()
    number = await decide(stack, app, 0)
    await stack.route(app, asleep=True)
    return app, number


async def test_a_hundred_at_once_wake_it_once_and_all_are_answered(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app, number = await sleeping(stack)
    body = "x" * KILOBYTES * 1024
    posts = [asyncio.create_task(stack.ask("POST", stack.host(app), f"/{n}", {"X-Id": f"p{n}"}, content=body)) for n in range(40)]
    gets = [asyncio.create_task(stack.get(app, f"/{n}", X_Id=f"g{n}")) for n in range(40)]
    sockets = [asyncio.create_task(WebSocket.open(stack.root, stack.https_port, stack.host(app))) for _ in range(20)]
    await is_called(stack, app)
    assert not any(task.done() for task in [*posts, *gets, *sockets])
    await stack.route(app, replicas[0].upstream())
    answers = await asyncio.gather(*gets, *posts)
    assert [answer.status_code for answer in answers] == [200] * 80
    assert all(answer.json()["body"] == body for answer in answers[40:])
    assert all([await socket.echoes() for socket in await asyncio.gather(*sockets)])
    assert replicas[0].served == {f"{kind}{n}": 1 for kind in "gp" for n in range(40)}
    woken = await decided(stack, app)
    assert woken
    assert (woken.replicas, woken.by, woken.number) == (1, "router", number + 1)
    seen = answers[0].json()["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"


async def test_going_to_sleep_under_load_loses_nothing(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await decide(stack, app, 1)
    async with runtime(stack, app, replicas[0]):
        await until(lambda: any(entry.app_id == app for entry in stack.applied.entries.values()))
        load = Load(stack.root, stack.https_port, stack.host(app)).start(6)
        for _ in range(6):
            await load.sends(40)
            await decide(stack, app, 0)
            await is_called(stack, app)
        await load.stop()
    assert not load.failed
    assert sum(replicas[0].served.values()) == len(load.sent)


async def test_a_decision_to_sleep_that_comes_between_is_undone(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app, _ = await sleeping(stack)
    held = asyncio.create_task(stack.get(app))
    await is_called(stack, app)
    await decide(stack, app, 0)
    await is_called(stack, app)
    await stack.route(app, replicas[0].upstream())
    assert (await held).status_code == 200


async def test_a_decision_of_a_time_that_nobody_can_read_is_followed(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app, number = await sleeping(stack)
    found = await stack.scale.get(app)
    assert found
    await stack.scale.swap(app, msgspec.structs.replace(found[0], at="yesterday"), found[1])
    held = asyncio.create_task(stack.get(app))
    await is_called(stack, app)
    woken = await decided(stack, app)
    assert woken
    assert (woken.by, woken.number, woken.at > "2026") == ("router", number + 1, True)
    await stack.route(app, replicas[0].upstream())
    assert (await held).status_code == 200


async def test_an_app_that_does_not_start_is_told_at_once(stack: Stack) -> None:
    await stack.start()
    app, _ = await sleeping(stack)
    held = asyncio.create_task(stack.get(app))
    await is_called(stack, app)
    await stack.route(app)
    answer = await held
    assert (answer.status_code, answer.json()["code"]) == (503, "app_not_running")


async def test_a_wait_is_bounded(stack: Stack) -> None:
    stack.set(router_wake_seconds="1")
    await stack.start()
    app, _ = await sleeping(stack)
    answers = await asyncio.gather(stack.get(app), stack.get(app, Accept="text/html"))
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["code"] == "app_waking"
    assert answers[0].headers["retry-after"] == "5"
    assert answers[0].json()["request_id"] == answers[0].headers["x-request-id"]
    assert "The app is waking up" in answers[1].text


async def test_probes_and_plain_http_wake_nothing(stack: Stack) -> None:
    await stack.start()
    app, number = await sleeping(stack)
    token = (stack.files / "probe-token").read_text(encoding="ascii").strip()
    assert (await stack.get(app, X_Dockup_Probe=token)).json()["code"] == "app_not_running"
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{stack.http_port}/", headers={"Host": stack.host(app)})).status_code == 308
    found = await decided(stack, app)
    assert found
    assert found.number == number


async def test_a_router_that_is_killed_finds_the_requests_again(stack: Stack, replicas: list[Replica]) -> None:
    """Even of what the bus has forgotten meanwhile."""
    await stack.start()
    app, _ = await sleeping(stack)
    held = asyncio.create_task(stack.get(app))
    await is_called(stack, app)
    stack.kill_router()
    await stack.scale.delete(app)
    stack.launch()
    await is_called(stack, app)
    await stack.route(app, replicas[0].upstream())
    assert (await held).status_code == 200


@pytest.mark.long
async def test_a_router_that_hangs_holds_nobody_for_ever(stack: Stack) -> None:
    stack.set(router_wake_seconds="1")
    await stack.start()
    app, _ = await sleeping(stack)
    stack.freeze_router()
    answer = await stack.ask("GET", stack.host(app), "/", {}, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (503, "app_waking")


@pytest.mark.long
async def test_a_long_wait_runs_into_no_other_limit(stack: Stack, replicas: list[Replica]) -> None:
    """The proxy gives the head of a request thirty seconds, and a replica three to take the connection."""
    await stack.start()
    app, _ = await sleeping(stack)
    body = "x" * KILOBYTES * 1024
    held = asyncio.create_task(stack.ask("POST", stack.host(app), "/", {}, content=body, timeout=60))
    await asyncio.sleep(40)
    assert not held.done()
    await stack.route(app, replicas[0].upstream())
    assert (await held).json()["body"] == body
