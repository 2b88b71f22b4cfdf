"""A deploy of a local image, and a rollback to one, from the request to 200 through the proxy over HTTPS, beside the raw engine."""

import asyncio
import time

from tests.bench.bench import App
from tests.bench.raw import Raw, raw_engine
from tests.bench.results import Figures, median, p95
from tests.load.connection import Connection
from tests.stack import Stack

_GAP = 0.001
_LONGEST = 60.0


async def measure(stack: Stack, rounds: int) -> Figures:
    """Interleaved rounds; the app redeploys with a new VERSION each time, by which the new container is known, and goes back to the old."""
    async with stack.client() as api:
        app = await App.live(stack, api, "bench-deploy", drain_seconds=0)
        with raw_engine(stack.leftovers().client) as raw:
            samples = [await _round(app, raw, number) for number in range(-2, rounds)]
    return _figures(samples[2:])


async def _round(app: App, raw: Raw, number: int) -> tuple[float, ...]:
    """Milliseconds: raw; a deploy since its 202, and since the request was sent; the same two of a rollback."""
    await app.settled()
    floor = await asyncio.to_thread(raw.round)
    before = (await _version(app)).decode()
    await app.set_version(f"v{number}")
    await app.settled()
    there = await _timed(app, "deploy", f"v{number}")
    await app.settled()
    return (floor, *there, *await _timed(app, "rollback", before))


async def _version(app: App) -> bytes:
    connection = Connection(app.host, app.stack.https_port, app.stack.trust())
    try:
        return (await connection.ask("GET", "/version", "before")).body
    finally:
        connection.close()


async def _timed(app: App, verb: str, version: str) -> tuple[float, float]:
    connection = Connection(app.host, app.stack.https_port, app.stack.trust())
    await connection.ask("GET", "/version", "warm")
    sent = time.perf_counter()
    asking = asyncio.create_task(app.api.post(f"/apps/{app.slug}/{verb}"))
    accepted = sent

    def note(_task: object) -> None:
        nonlocal accepted
        accepted = time.perf_counter()

    asking.add_done_callback(note)
    async with asyncio.timeout(_LONGEST):
        while (await connection.ask("GET", "/version", "poll")).body != version.encode():
            await asyncio.sleep(_GAP)
    arrived = time.perf_counter()
    connection.close()
    answer = await asking
    assert answer.status_code == 202, answer.text
    return (arrived - accepted) * 1000, (arrived - sent) * 1000


def _figures(samples: list[tuple[float, ...]]) -> Figures:
    raw, accepted, sent, back, back_sent = ([round(each, 2) for each in column] for column in zip(*samples, strict=True))
    return {
        "rounds": len(samples),
        "raw median ms": median(raw),
        "raw p95 ms": p95(raw),
        "accepted → 200 median ms": median(accepted),
        "accepted → 200 p95 ms": p95(accepted),
        "request sent → 200 median ms": median(sent),
        "request sent → 200 p95 ms": p95(sent),
        "ratio of medians (at most 1.25)": round(median(accepted) / median(raw), 3),
        "ratio of p95 (at most 1.25)": round(p95(accepted) / p95(raw), 3),
        "ratio of medians since the request was sent": round(median(sent) / median(raw), 3),
        "ratio of p95 since the request was sent": round(p95(sent) / p95(raw), 3),
        "rollback: accepted → 200 median ms": median(back),
        "rollback: accepted → 200 p95 ms": p95(back),
        "rollback / deploy, medians (at most 1)": round(median(back) / median(accepted), 3),
        "samples_ms": {"raw": raw, "accepted": accepted, "sent": sent, "rollback": back, "rollback_sent": back_sent},
    }
