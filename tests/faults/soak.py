"""One run of the load under faults, from an empty stack to the accounts."""

import asyncio
import contextlib
import signal
import time

import httpx
import msgspec

from tests.faults.accounts import Verdict, account, feed
from tests.faults.chaos import PROCESSES, Chaos
from tests.faults.clients import PROJECT, CarefulClient
from tests.faults.follower import Follower
from tests.faults.ledger import Ledger
from tests.faults.world import World

_CALM_SECONDS = 150.0
_LOOK_SECONDS = 1.0
_TIMEOUT = httpx.Timeout(35.0, connect=5.0)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` of load under faults; what is random comes from `seed`. `scale` shortens the faults."""

    seed: int
    seconds: float
    apps: int = 5
    clients: int = 4
    gap: tuple[float, float] = (2.0, 7.0)
    scale: float = 1.0
    pause: float = 0.5


class Result(msgspec.Struct, kw_only=True):
    verdict: Verdict
    ledger: Ledger
    faults: dict[str, int]

    @property
    def is_clean(self) -> bool:
        return self.verdict.is_clean and not self.ledger.broken

    def __str__(self) -> str:
        faults = f"{sum(self.faults.values())} faults {dict(sorted(self.faults.items()))}"
        return "\n".join([faults, self.ledger.summary(), str(self.verdict), *(f"  answer: {line}" for line in self.ledger.broken[:20])])


async def soak(world: World, plan: Plan) -> Result:
    """Drive it, break it, calm it, and account for everything."""
    ledger = Ledger()
    chaos = Chaos(world, f"chaos {plan.seed}", plan.gap, plan.scale)
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(world.stack.direct_client()) for _ in range(plan.clients + 2)]
        for client in clients:
            client.timeout = _TIMEOUT
        http, listener, *others = clients
        await http.post("/projects", json={"name": PROJECT})
        follower = Follower(listener)
        following = asyncio.create_task(follower.follow())
        until = time.monotonic() + plan.seconds
        slugs = [f"soak-{number}" for number in range(plan.apps)]
        async with asyncio.TaskGroup() as group:
            group.create_task(chaos.rage(plan.seconds))
            for number, client in enumerate(others):
                careful = CarefulClient(client, ledger, slugs, f"client {number} {plan.seed}", plan.pause)
                group.create_task(careful.work(until))
        await asyncio.to_thread(_mend, world)
        verdict = await _calm(world, http, ledger)
        await _compare(follower, http, verdict)
        following.cancel()
    result = Result(verdict=verdict, ledger=ledger, faults=dict(chaos.done))
    world.say(f"seed {plan.seed}, {plan.seconds:.0f} s; {len(follower.seen)} events over {follower.connections} connections")
    world.say(str(result))
    return result


def _mend(world: World) -> None:
    for name in PROCESSES:
        world.send(name, signal.SIGCONT)
    world.engine.send(signal.SIGCONT)
    world.stack.wait_until_ok(120)


async def _calm(world: World, http: httpx.AsyncClient, ledger: Ledger) -> Verdict:
    """The accounts as soon as they are clean, or as they are when there was time enough."""
    begun = time.monotonic()
    verdict = Verdict()
    while time.monotonic() < begun + _CALM_SECONDS:
        verdict = await account(world, http, ledger)
        if verdict.is_clean:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    world.say(f"calm after {time.monotonic() - begun:.1f} s")
    return verdict


async def _compare(follower: Follower, http: httpx.AsyncClient, verdict: Verdict) -> None:
    """What SSE showed, GET shows."""
    told: list[dict[str, object]] = []
    for _ in range(50):
        told = await feed(http)
        if len(follower.seen) >= len(told):
            break
        await asyncio.sleep(0.2)
    if follower.seen[: len(told)] != told:
        verdict.wrong.append(f"the stream showed {len(follower.seen)} events and GET {len(told)}, or other ones")
    verdict.wrong += [f"the stream was refused {words}" for words in follower.refused]
