"""A day of history of 200 apps, measured every 30 s: one app's page, and its stats now, beside the app itself."""

import asyncio
import time

import httpx

from libs.common.messages.router import AppTraffic
from services.metrics.history.recorder import OF_APP, Row, TrafficRow
from services.metrics.history.store import Store
from tests.bench.bench import App
from tests.bench.results import Figures, median, p95
from tests.stack import Stack

APPS = 200
_DAY, _STEP = 86_400, 30
_ROUNDS = 100


async def measure(stack: Stack, _rounds: int) -> Figures:
    """The day is written into the stack's own database, as the service itself writes it."""
    async with stack.client() as api:
        app = await App.live(stack, api, "bench-history")
        filled = await asyncio.to_thread(_fill, stack, app.id)
        paths = {"app": f"/apps/{app.slug}", "stats": f"/apps/{app.slug}/stats", "page": f"/apps/{app.slug}/stats/history?minutes=1440"}
        times: dict[str, list[float]] = {name: [] for name in paths}
        points = 0
        for _ in range(_ROUNDS):
            for name, path in paths.items():
                answer, took = await _ask(api, path)
                times[name].append(took)
                points = len(answer.json()["points"]) if name == "page" else points
    return {
        "apps": APPS,
        "points a page": points,
        "database MB": filled[1],
        "one sync written ms (mean)": filled[0],
        "page of a day median ms (under 20)": median(times["page"]),
        "page of a day p95 ms": p95(times["page"]),
        "stats now median ms": median(times["stats"]),
        "the app itself median ms": median(times["app"]),
        "page / the app itself": round(median(times["page"]) / median(times["app"]), 2),
        "samples_ms": times,
    }


def _fill(stack: Stack, app_id: str) -> tuple[float, float]:
    """Milliseconds that writing one sync took, and MB of the file."""
    path = stack.home.root / "metrics" / "history.db"
    store = Store(path)
    ids = [app_id, *(f"app_bench{number}" for number in range(1, APPS))]
    rows = [
        Row(app_id=each, replica=replica, cpu=12.5, memory=64.0, moved=(1_000, 2_000, 0, 4_096), pids=3)
        for each in ids
        for replica in ("dk-web-r1.0-0", OF_APP)
    ]
    passed = [AppTraffic(app_id=each, requests=300, status_2xx=300, times=(100, 100, 50, 50, *(0,) * 10)) for each in ids]
    traffic = [TrafficRow(app_id=each.app_id, seconds=_STEP, passed=each) for each in passed]
    now = time.time()
    started = time.perf_counter()
    for ago in range(_DAY, 0, -_STEP):
        store.add(now - ago, rows, traffic)
    took = (time.perf_counter() - started) * 1000 / (_DAY / _STEP)
    store.close()
    return round(took, 2), round(path.stat().st_size / 1e6, 1)


async def _ask(api: httpx.AsyncClient, path: str) -> tuple[httpx.Response, float]:
    started = time.perf_counter()
    answer = await api.get(path)
    took = (time.perf_counter() - started) * 1000
    assert answer.is_success, answer.text
    return answer, took
