"""The first answer of an app that sleeps, through the proxy over HTTPS, beside the engine's own start of such a container."""

import asyncio
import time

from tests.bench.bench import App
from tests.bench.raw import Raw, raw_engine
from tests.bench.results import Figures, median, p95
from tests.load.connection import Connection
from tests.stack import Stack
from tests.stack.nap import SLEEPY, Naps, naps


async def measure(stack: Stack, rounds: int) -> Figures:
    """Interleaved rounds, two more than are counted."""
    async with stack.client() as api, naps(stack) as bed:
        app = await App.live(stack, api, "bench-wake", drain_seconds=0)
        answer = await api.put(f"/apps/{app.slug}/autoscale", json=SLEEPY)
        assert answer.is_success, answer.text
        with raw_engine(stack.leftovers().client) as raw, raw.kept() as container:
            samples = [await _round(app, bed, raw, container) for _ in range(rounds + 2)]
    floor, woken, served = ([round(each, 2) for each in column] for column in zip(*samples[2:], strict=True))
    return {
        "rounds": rounds,
        "raw start → ready median ms": median(floor),
        "raw start → ready p95 ms": p95(floor),
        "request → first answer median ms": median(woken),
        "request → first answer p95 ms": p95(woken),
        "ratio of medians (at most 1.3)": round(median(woken) / median(floor), 3),
        "ratio of p95": round(p95(woken) / p95(floor), 3),
        "the same request awake, median ms": median(served),
        "samples_ms": {"raw": floor, "woken": woken, "awake": served},
    }


async def _round(app: App, bed: Naps, raw: Raw, container: str) -> tuple[float, float, float]:
    """Milliseconds: raw; a request that wakes, its connection and TLS included; one after it."""
    await bed.sleep(app.id)
    await app.settled()
    floor = await asyncio.to_thread(raw.start, container)
    await app.settled()
    woken, served = await _ask(app), await _ask(app)
    await app.settled()
    return floor, woken, served


async def _ask(app: App) -> float:
    started = time.perf_counter()
    connection = Connection(app.host, app.stack.https_port, app.stack.trust())
    answer = await connection.ask("GET", "/version", "wake")
    took = (time.perf_counter() - started) * 1000
    connection.close()
    assert answer.status == 200, answer
    return took
