"""10,000 lines a second from one container to one WebSocket: none lost, and what it costs of the processors.

The client is a process of its own, and bare: a library's frames would cost more than what is measured.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from tests import images
from tests.bench.bench import QUIET, App
from tests.bench.results import ROOT, Figures
from tests.stack import Stack

RATE = 10_000
SECONDS = 20
_NAMES = ("api", "runtime", "nats", "haproxy", "builder", "metrics", "router", "redis", "supervisor")
_TICKS = os.sysconf("SC_CLK_TCK")
_ENGINE = Path("/var/run/docker.pid")
_COUNTS = (
    'BEGIN { pad = "the quick brown fox jumps over the lazy dog, and a log line has some eighty bytes"; '
    'while (1) { getline t < "/proc/uptime"; close("/proc/uptime"); split(t, a, " "); if (!began) began = a[1]; '
    'n = (a[1] - began) * RATE; while (i < n) print ++i, pad; fflush(); system("busybox usleep 5000") } }'
)


async def measure(stack: Stack, _rounds: int) -> Figures:
    async with stack.client() as api:
        script = f"/web serve & busybox awk '{_COUNTS.replace('RATE', str(RATE))}'"
        app = await App.live(stack, api, "bench-log-stream", image=images.shell(), command=["-c", script])
        await asyncio.sleep(1 + QUIET)
        before = _seconds(stack)
        engine = _engine_seconds()
        began = time.monotonic()
        idle = await _sample(stack, before, began)
        client = await _client(stack, app.id)
        before, engine, began = _seconds(stack), _engine_seconds(), time.monotonic()
        got = json.loads((await client.communicate())[0])
        wall = time.monotonic() - began
        after = _seconds(stack)
        spent = {name: round((after[name] - before[name]) / wall, 3) for name in after}
        many = await _many(stack, app.id)
    return {
        "seconds": round(wall, 1),
        "lines/s": round(got["lines"] / got["seconds"]),
        "lost (0)": got["lost"],
        "twice (0)": got["twice"],
        "told to be missed (0)": got["missed"],
        "cores, all of Dockup (at most 1)": round(sum(spent.values()), 3),
        "of these before anybody listens": round(idle, 3),
        **{f"cores, {name}": spent[name] for name in ("api", "runtime", "nats", "haproxy")},
        "cores, the engine (with the app's own logging)": round((_engine_seconds() - engine) / (time.monotonic() - began), 3),
        "delay of a line, median ms": got["delay_ms"],
        **many,
    }


async def _sample(stack: Stack, before: dict[str, float], began: float) -> float:
    await asyncio.sleep(3)
    after = _seconds(stack)
    return sum(after[name] - before[name] for name in after) / (time.monotonic() - began)


async def _client(stack: Stack, app_id: str, *, seconds: float = SECONDS, sockets: int = 1) -> asyncio.subprocess.Process:
    path = f"/api/v1/apps/{app_id}/logs/stream?tail=1&token={stack.credentials['api_key']}"
    arguments = [str(stack.https_port), str(stack.home.root_certificate), path, str(seconds), str(sockets)]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.log_client", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )


async def _many(stack: Stack, app_id: str) -> Figures:
    """200 streams of that app: more than can be written. What is asked of the API meanwhile is answered all the same."""
    client = await _client(stack, app_id, seconds=10, sockets=200)
    waits: list[float] = []
    async with stack.direct_client() as api:
        while client.returncode is None:
            asked = time.monotonic()
            assert (await api.get(f"/apps/{app_id}")).is_success
            waits.append((time.monotonic() - asked) * 1000)
            await asyncio.sleep(0.05)
            if client.stdout is not None and client.stdout.at_eof():
                break
            await asyncio.sleep(0)
        got = json.loads((await client.communicate())[0])
    waits.sort()
    return {
        "200 streams: lines/s written": round(got["lines"] / got["seconds"]),
        "200 streams: share told to be missed": round(got["missed"] / max(1, got["missed"] + got["lines"]), 3),
        "200 streams: not accounted for (0)": got["lost"],
        "200 streams: GET /apps/{app} median ms": round(waits[len(waits) // 2], 1),
        "200 streams: GET /apps/{app} p95 ms": round(waits[int(len(waits) * 0.95)], 1),
    }


def _seconds(stack: Stack) -> dict[str, float]:
    """Processor time of every process of the stack, its children's included."""
    return {name: sum(map(_of, _family(found.pid))) for name in _NAMES if (found := stack.find(name)) is not None}


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid] if not children or _is_supervisor(pid) else [pid, *map(int, children)]


def _is_supervisor(pid: int) -> bool:
    return b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _engine_seconds() -> float:
    return _of(int(_ENGINE.read_text(encoding="ascii"))) if _ENGINE.exists() else 0.0
