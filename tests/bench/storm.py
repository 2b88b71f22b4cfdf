"""Many deploys sent at once: all end, none is lost, and how long that takes beside the raw engine doing the same work two at a time."""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx

from libs.common import clock
from tests.bench.bench import App
from tests.bench.raw import Raw, raw_engine
from tests.bench.results import Figures, median, p95
from tests.stack import Stack

DEPLOYS = 4
"""For each app."""
_PROJECT = 10
"""Apps in a project: a project's network has 61 addresses."""
_AT_ONCE = 2
_RAW = 20
_GAP = 0.1
_LONGEST = 900.0
_ACTIONS = ("create", "start", "destroy")


async def measure(stack: Stack, apps: int) -> Figures:
    """The raw engine's part is measured before and after, for the machine may be another one by then."""
    client = stack.leftovers().client
    async with stack.client() as api:
        made = await _make(stack, api, apps)
        with raw_engine(client) as raw:
            floor = [await asyncio.to_thread(_floor, raw)]
            load = [os.getloadavg()[0]]
            with _engine_ear(stack) as seen:
                began = time.perf_counter()
                ends, took = await _storm(api, made)
                await _quiet(stack, apps)
                whole = time.perf_counter() - began
            load.append(os.getloadavg()[0])
            floor.append(await asyncio.to_thread(_floor, raw))
    lives = max(seen["create"], seen["start"], seen["destroy"])
    least = median(floor) * lives
    return {
        "apps": apps,
        "deploys": len(ends),
        **{f"ended {status}": number for status, number in sorted(Counter(ends).items())},
        "creates, starts, removals": [seen[action] for action in _ACTIONS],
        "until the last deploy ended s": round(max(took), 2),
        "until the last old container was gone s": round(whole, 2),
        "a deploy's end after the first request, median s": median(took),
        "a deploy's end after the first request, p95 s": p95(took),
        "raw engine, one life, two at a time s": median(floor),
        "raw engine for as many lives s": round(least, 2),
        "ratio (under 1.5)": round(whole / least, 3),
        "load before and after": [round(each, 1) for each in load],
        "samples_s": {"raw": floor, "ends": [round(each, 2) for each in took]},
    }


async def _make(stack: Stack, api: httpx.AsyncClient, count: int) -> list[App]:
    made = []
    for number in range(count):
        project = f"storm-{number // _PROJECT}"
        made.append(await App.live(stack, api, f"bench-storm-{number}", drain_seconds=0, project=project))
    await _quiet(stack, count)
    return made


async def _quiet(stack: Stack, count: int) -> None:
    """Wait until each app has one container."""
    left = stack.leftovers()
    async with asyncio.timeout(_LONGEST):
        while len(await asyncio.to_thread(left.containers)) != count:
            await asyncio.sleep(_GAP)


async def _storm(api: httpx.AsyncClient, made: list[App]) -> tuple[list[str], list[float]]:
    """Each deploy's end, and how many seconds after the first request it was. One is asked about at a time, to be no load itself."""
    began = datetime.now(UTC)

    async def send(app: App) -> str:
        answer = await api.post(f"/apps/{app.slug}/deploy")
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["id"])

    ids = await asyncio.gather(*(send(app) for _ in range(DEPLOYS) for app in made))
    ends, took = [], []
    async with asyncio.timeout(_LONGEST):
        for each in ids:
            while (seen := (await api.get(f"/deployments/{each}")).json())["finished_at"] is None:
                await asyncio.sleep(_GAP)
            ends.append(seen["status"])
            took.append((clock.parse(seen["finished_at"]) - began).total_seconds())
    return ends, took


def _floor(raw: Raw) -> float:
    """Seconds that the engine needs for one life of a container when two are worked on at any time."""
    began = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [threads.submit(raw.lives, lane, _RAW // _AT_ONCE) for lane in range(_AT_ONCE)]:
            done.result()
    return (time.perf_counter() - began) / _RAW


@contextmanager
def _engine_ear(stack: Stack) -> Iterator[Counter[str]]:
    """Count what the engine does to the stack's containers."""
    counted: Counter[str] = Counter()
    filters = {"label": f"dockup.instance={stack.instance}", "event": list(_ACTIONS), "type": "container"}
    events = stack.leftovers().client.events(decode=True, filters=filters)

    def listen() -> None:
        for event in events:
            counted[event["Action"]] += 1

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        events.close()
        thread.join()
