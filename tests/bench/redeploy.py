"""Redeploys under 100 requests a second: what fails, what is served twice, and what becomes of a WebSocket."""

import asyncio
import time

from tests.bench.bench import App
from tests.bench.results import Figures, median, p95
from tests.load.counts import Counts
from tests.load.echo import Echo
from tests.load.traffic import Traffic
from tests.stack import Stack

DRAIN_SECONDS = 3.0
_CLOSED_WITHIN = DRAIN_SECONDS + 20


async def measure(stack: Stack, rounds: int) -> Figures:
    async with stack.client() as api:
        app = await App.live(stack, api, "bench-redeploy", drain_seconds=DRAIN_SECONDS, env={"VERSION": "0", "LOG_IDS": "1"})
        reach = (app.host, stack.https_port, stack.trust())
        with Counts(stack.leftovers().client, app.id) as counts:
            async with Traffic(*reach) as traffic:
                echoes = [await _round(app, number) for number in range(rounds)]
                await app.settled()
            await asyncio.sleep(1)  # the engine hands the last lines on
        return _figures(traffic, counts, echoes)


async def _round(app: App, number: int) -> tuple[Echo, float]:
    """One redeploy; the WebSocket to the version before lives until that has drained. Returns it and how long after `live`."""
    async with Echo(app.host, app.stack.https_port, app.stack.trust()) as echo:
        await app.set_version(f"v{number}")
        answer = await app.api.post(f"/apps/{app.slug}/deploy", params={"wait": 60})
        live = time.perf_counter()
        assert answer.status_code == 200, answer.text
        closed = await echo.closed(_CLOSED_WITHIN)
        return echo, (closed or time.perf_counter()) - live


def _figures(traffic: Traffic, counts: Counts, echoes: list[tuple[Echo, float]]) -> Figures:
    calls = traffic.calls
    seconds = max(call.started for call in calls) - min(call.started for call in calls)
    twice = [request_id for request_id, times in counts.served.items() if times > 1]
    return {
        "redeploys": len(echoes),
        "requests": len(calls),
        "requests a second": round(len(calls) / seconds, 1),
        "failed (0)": len(traffic.failed),
        "served twice (0)": len(twice),
        "ids that the containers say they served": len(counts.served),
        "answered, and not in a container's output": sum(call.request_id not in counts.served for call in calls if not call.fault),
        "WebSocket messages echoed": sum(echo.echoed for echo, _ in echoes),
        "WebSockets that broke otherwise than by the drain (0)": sum(bool(echo.fault) or echo.closed_at is None for echo, _ in echoes),
        "WebSocket open after live, least seconds": round(min(after for _, after in echoes), 2),
        "drain_seconds": DRAIN_SECONDS,
        "quick request median ms": median([call.seconds * 1000 for call in calls if not call.slow]),
        "quick request p95 ms": p95([call.seconds * 1000 for call in calls if not call.slow]),
        "quick request longest ms": round(max(call.seconds * 1000 for call in calls if not call.slow), 1),
        "faults": [f"{call.method} {call.request_id}: {call.fault}" for call in traffic.failed][:20],
        "websocket_faults": [echo.fault for echo, _ in echoes if echo.fault],
    }
