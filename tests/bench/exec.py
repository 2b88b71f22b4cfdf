"""An echo in a running container through WebSocket, API, bus and runtime, beside the same process by the engine's own connection."""

import time
from collections.abc import Awaitable, Callable

from libs.common.engine import exec as engine_exec
from libs.common.engine.connect import Engine
from tests.bench.bench import App
from tests.bench.results import Figures, median, p95
from tests.stack import Stack
from tests.stack.terminal import Terminal, terminal

HOST = "unix:///var/run/docker.sock"
_WORD = b"echo\n"
_WARM = 50

Echo = Callable[[], Awaitable[bytes]]


async def measure(stack: Stack, rounds: int) -> Figures:
    """Interleaved rounds; `cat` in one container for both ways."""
    engine = await Engine.open(HOST)
    try:
        async with stack.client() as api:
            app = await App.live(stack, api, "bench-exec")
            await app.settled()
        async with terminal(stack, app.slug, cmd="cat", tty="false") as there:
            container = str(stack.leftovers().containers(app.id)[0]["Id"])
            exec_id = await engine_exec.create(engine, container, ("cat",), tty=False, env={})
            raw = await engine_exec.start(engine, exec_id, container, tty=False)
            samples = [(await _took(_by_engine(raw)), await _took(_by_socket(there))) for _ in range(rounds + _WARM)][_WARM:]
            raw.close_input()
            raw.close()
    finally:
        engine.close()
    floor, seen = ([round(each, 3) for each in column] for column in zip(*samples, strict=True))
    return {
        "rounds": rounds,
        "raw echo median ms": median(floor),
        "raw echo p95 ms": p95(floor),
        "echo by WebSocket median ms": median(seen),
        "echo by WebSocket p95 ms": p95(seen),
        "more at the median, ms (at most 1)": round(median(seen) - median(floor), 3),
        "samples_ms": {"raw": floor, "socket": seen},
    }


async def _took(echo: Echo) -> float:
    started = time.perf_counter()
    assert await echo() == _WORD
    return (time.perf_counter() - started) * 1000


def _by_engine(raw: engine_exec.Exec) -> Echo:
    async def echo() -> bytes:
        await raw.write(_WORD)
        piece = await raw.read()
        return piece[1] if piece else b""

    return echo


def _by_socket(there: Terminal) -> Echo:
    async def echo() -> bytes:
        await there.socket.send(_WORD)
        answer = await there.socket.recv()
        return answer if isinstance(answer, bytes) else answer.encode()

    return echo
