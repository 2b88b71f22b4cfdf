"""A container dies: when its end is read from `/events` over SSE, beside when the engine's own event is."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.bench.bench import App
from tests.bench.results import Figures, median, p95
from tests.stack import Stack

_LONGEST = 30.0


async def measure(stack: Stack, rounds: int) -> Figures:
    """Each round kills a container of a fresh release, for those that die again and again are started later each time."""
    samples = []
    async with stack.client() as api:
        app = await App.live(stack, api, "bench-death", drain_seconds=0)
        for _ in range(rounds):
            samples.append(await _round(app))
            answer = await api.post(f"/apps/{app.slug}/deploy", params={"wait": 60})
            assert answer.status_code == httpx.codes.OK, answer.text
            await app.settled()
    raw, seen = ([round(each, 2) for each in column] for column in zip(*samples, strict=True))
    later = [round(b - a, 2) for a, b in samples]
    return {
        "rounds": rounds,
        "kill → raw engine event median ms": median(raw),
        "kill → SSE median ms": median(seen),
        "SSE after the raw event median ms (at most 15)": median(later),
        "SSE after the raw event p95 ms": p95(later),
        "samples_ms": {"raw": raw, "sse": seen},
    }


async def _round(app: App) -> tuple[float, float]:
    """Milliseconds from the kill to the raw event, and to the line of SSE."""
    left = app.stack.leftovers()
    (container,) = left.containers(app.id)
    head = (await app.api.get(f"/apps/{app.slug}/events", params={"limit": 200, "after": 0})).json()["next_after"]
    headers = {"Accept": "text/event-stream"}
    with _engine_ear(app.stack, container["Id"]) as heard:
        async with app.api.stream("GET", f"/apps/{app.slug}/events", params={"after": head}, headers=headers, timeout=_LONGEST) as stream:
            reading = asyncio.create_task(_read(stream, container["Id"]))
            await asyncio.sleep(0.3)
            started = time.perf_counter()
            await asyncio.to_thread(left.client.kill, container["Id"])
            async with asyncio.timeout(_LONGEST):
                seen = await reading
                while not heard:
                    await asyncio.sleep(0.001)
    return (heard[0] - started) * 1000, (seen - started) * 1000


async def _read(stream: httpx.Response, container_id: str) -> float:
    async for line in stream.aiter_lines():
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            if event["type"] == "replica.died" and event["data"]["container_id"] == container_id:
                return time.perf_counter()
    raise AssertionError("the stream ended")


@contextmanager
def _engine_ear(stack: Stack, container_id: str) -> Iterator[list[float]]:
    """When the engine's `die` of the container is read, by docker-py in a thread."""
    client = stack.leftovers().client
    heard: list[float] = []
    events = client.events(decode=True, filters={"container": container_id, "event": "die"})

    def listen() -> None:
        for _ in events:
            heard.append(time.perf_counter())
            return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        events.close()
