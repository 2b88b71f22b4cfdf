"""100 requests a second over keep-alive connections: GET and POST, and some that take 300 ms."""

import asyncio
import ssl
import time
from typing import NamedTuple, Self

from tests.load.connection import Connection

QUICK, QUICK_GAP = 16, 0.2
SLOW, SLOW_GAP = 6, 0.3
"""16 connections of five requests a second and six that always have one of 300 ms in flight: 100 requests a second."""
_LONGEST = 30.0


class Call(NamedTuple):
    """One request: `fault` is empty when it was answered with 200, its own id and, for a POST, its own body."""

    request_id: str
    method: str
    started: float
    seconds: float
    slow: bool
    fault: str


class Traffic:
    """Runs from `start` to `stop`; `calls` has every request that was begun and ended."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, name: str = "t") -> None:
        self._reach = (host, port, context)
        self._name = name
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.calls: list[Call] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._client(f"{self._name}-{number}", slow=number >= QUICK)) for number in range(QUICK + SLOW)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let every request that is in flight come to its end."""
        self._ending.set()
        await asyncio.gather(*self._tasks)

    @property
    def failed(self) -> list[Call]:
        return [call for call in self.calls if call.fault]

    async def _client(self, name: str, *, slow: bool) -> None:
        connection = Connection(*self._reach)
        gap = SLOW_GAP if slow else QUICK_GAP
        due = time.perf_counter() + gap * (hash(name) % 100) / 100
        number = 0
        while not self._ending.is_set():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            number += 1
            self.calls.append(await _call(connection, f"{name}-{number}", post=number % 2 == 0, path="/slow" if slow else "/echo"))
            due = max(due + gap, time.perf_counter() - gap)
        connection.close()


async def _call(connection: Connection, request_id: str, *, post: bool, path: str) -> Call:
    method, body = ("POST", request_id.encode()) if post else ("GET", b"")
    started = time.perf_counter()
    try:
        async with asyncio.timeout(_LONGEST):
            answer = await connection.ask(method, path, request_id, body)
    except (OSError, EOFError, TimeoutError, ValueError) as error:
        fault = f"{type(error).__name__}: {error}"
    else:
        right = answer.request_id == request_id and (path != "/echo" or answer.body == body)
        fault = "" if answer.status == 200 and right else f"{answer.status} {answer.body[:80]!r}"
    return Call(request_id, method, started, time.perf_counter() - started, path == "/slow", fault)
