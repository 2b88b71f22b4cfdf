"""How an app answers while builds beside it run into their memory limit, beside how it answers alone."""

import asyncio
import math
import secrets
import time
from collections.abc import Coroutine
from typing import Any

import httpx

from tests import images
from tests.bench.bench import App
from tests.bench.results import Figures, median
from tests.bench.workshop import Workshop, opened
from tests.stack import Stack

_LIMIT_MB = 200
_ALONE_SECONDS = 5.0
_GAP = 0.005


async def measure(stack: Stack, rounds: int) -> Figures:
    """One request after the other through the proxy, a little apart: first alone, then while `rounds` builds eat their memory up."""
    async with stack.client() as api, opened(build_memory_mb=_LIMIT_MB) as workshop:
        app = await App.live(stack, api, "bench-neighbour")
        async with stack.app_client(app.slug) as client:
            await _asked_while(client, asyncio.sleep(1))
            alone = await _asked_while(client, asyncio.sleep(_ALONE_SECONDS))
            codes: list[str | None] = []
            beside = await _asked_while(client, _builds(workshop, rounds, codes))
    return {
        "builds": rounds,
        "ended with build_out_of_memory": codes.count("build_out_of_memory"),
        "requests alone, beside": f"{len(alone)}, {len(beside)}",
        "median alone ms": median(alone),
        "median beside the builds ms": median(beside),
        "p99 alone ms": _p99(alone),
        "p99 beside the builds ms": _p99(beside),
        "longest alone, beside ms": f"{max(alone):.1f}, {max(beside):.1f}",
    }


async def _builds(workshop: Workshop, rounds: int, codes: list[str | None]) -> None:
    for _ in range(rounds):
        dockerfile = f'FROM {images.eats_memory()}\nENV RUN={secrets.token_hex(8)}\nRUN ["/web", "eats-memory"]\n'
        name = secrets.token_hex(4)
        commit = workshop.host.make_repo(name, {"Dockerfile": dockerfile})
        codes.append((await workshop.build(name, commit))[1])


async def _asked_while(client: httpx.AsyncClient, what: Coroutine[Any, Any, None]) -> list[float]:
    """Milliseconds of every request that was made until that was over."""
    doing, took = asyncio.create_task(what), []
    while not doing.done():
        began = time.perf_counter()
        answer = await client.get("/")
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
        await asyncio.sleep(_GAP)
    await doing
    return took


def _p99(samples: list[float]) -> float:
    return round(sorted(samples)[math.ceil(0.99 * len(samples)) - 1], 2)
