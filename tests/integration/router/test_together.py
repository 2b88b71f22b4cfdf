"""Two routers side by side: both serve what the bus says, wake an app once between them, and what passed is counted once."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.messages.runtime import Route
from services.metrics.traffic import Inflow
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until
from tests.integration.router.test_waker import decide, decided, is_called

EACH = 10


@pytest.fixture
async def routers(stack: Stack) -> AsyncIterator[tuple[Stack, Stack]]:
    stack.set(scale_seconds="0.5")
    other = Stack(Path(tempfile.mkdtemp(prefix="dk-")), stack.nats, stack.bus, **stack.settings)
    await stack.start()
    await other.start()
    yield stack, other
    other.end()
    shutil.rmtree(other.home, ignore_errors=True)


def applied(stack: Stack, route: Route) -> int:
    """How many routers serve it."""
    return sum(entry.app_id == route.app_id and entry.revision >= route.revision for entry in stack.applied.entries.values())


async def both(routers: tuple[Stack, Stack], route: Route) -> None:
    await until(lambda: applied(routers[0], route) == len(routers))


async def test_two_routers_serve_one_app(routers: tuple[Stack, Stack], replicas: list[Replica]) -> None:
    one, other = routers
    app, inflow, metrics = new_app(), Inflow(0.5), await Bus.connect(one.nats.url, "metrics")

    async def take(body: bytes) -> None:
        inflow.take(body)

    await metrics.listen(subjects.TRAFFIC, take)
    hosts = (one.host(app), "www.example.com")
    await both(routers, await one.put(app, replicas[0].upstream(), hosts=hosts))
    answers = await asyncio.gather(*(router.ask("GET", host, "/", {}) for router in routers for host in hosts for _ in range(EACH)))
    assert {answer.status_code for answer in answers} == {200}
    await until(lambda: inflow.total(app).requests >= len(answers))

    number = await decide(one, app, 0)
    await both(routers, await one.put(app, replicas[0].upstream(draining=True), hosts=hosts, asleep=True))
    held = [asyncio.create_task(router.get(app)) for router in routers for _ in range(EACH)]
    await is_called(one, app)
    await both(routers, await one.put(app, replicas[0].upstream(), hosts=hosts))
    assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}
    scale = await decided(one, app)
    assert scale
    assert (scale.by, scale.replicas, scale.number) == ("router", 1, number + 1), "one of them woke it, once"

    passed = len(answers) + len(held)
    await until(lambda: inflow.total(app).requests >= passed)
    for router in routers:
        await router.get(app)
    await until(lambda: inflow.total(app).requests >= passed + len(routers))
    taken = inflow.taken([app], monotonic())
    assert taken
    assert taken[0].requests == inflow.total(app).requests == passed + len(routers), "each request is one router's"

    # While one of them does not take the route, only the other says that it serves it: nothing is live by that.
    other.freeze_router()
    newer = await one.put(app, replicas[1].upstream(), hosts=hosts)
    await until(lambda: applied(one, newer) == 1)
    assert len(one.applied.entries) == len(routers)
    other.kill_router()
    other.launch()
    await both(routers, newer)
    await metrics.close()
