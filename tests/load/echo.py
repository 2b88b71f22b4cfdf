"""A WebSocket that is kept busy until the other side closes it."""

import asyncio
import ssl
import time
from typing import Self

import websockets
from websockets.asyncio.client import connect

GAP = 0.05


class Echo:
    """`echoed` messages came back; `fault` says what else than a close ended it; `closed_at` by perf_counter."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._url = f"wss://{host}:{port}/ws"
        self._host = host
        self._port = port
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self.echoed = 0
        self.fault = ""
        self.closed_at: float | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        opening = asyncio.create_task(self._open.wait())
        await asyncio.wait({self._task, opening}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def closed(self, timeout: float) -> float | None:
        """Wait for the other side to close; return when that was, or None."""
        if self._task:
            await asyncio.wait({self._task}, timeout=timeout)
        return self.closed_at

    async def _run(self) -> None:
        try:
            async with connect(
                self._url, host="127.0.0.1", port=self._port, ssl=self._context, server_hostname=self._host, ping_interval=None
            ) as socket:
                self._open.set()
                while True:
                    text = f"{self._host} {self.echoed}"
                    await socket.send(text)
                    if await asyncio.wait_for(socket.recv(), 5) != text:
                        self.fault = "another answer than what was sent"
                        return
                    self.echoed += 1
                    await asyncio.sleep(GAP)
        except websockets.ConnectionClosed:
            self.closed_at = time.perf_counter()
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            self.fault = f"{type(error).__name__}: {error}"
