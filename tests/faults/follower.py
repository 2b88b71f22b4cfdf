"""One who reads the feed as server-sent events, goes on where the connection broke, and keeps all that came."""

import asyncio
import contextlib
import json
from typing import Any

import httpx

_PAUSE = 0.2
_SILENCE = 25.0
"""A stream says something every 15 s."""


class Follower:
    """`seen` are the events as the stream gave them. Run `follow` as a task and cancel it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.seen: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.connections = 0

    async def follow(self) -> None:
        while True:
            with contextlib.suppress(httpx.TransportError):
                await self._once()
            await asyncio.sleep(_PAUSE)

    async def _once(self) -> None:
        last = str(self.seen[-1]["seq"] if self.seen else 0)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        async with self._http.stream("GET", "/events", headers=headers, timeout=httpx.Timeout(_SILENCE)) as answer:
            self.connections += 1
            if answer.status_code == 200:
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        self.seen.append(json.loads(line[6:]))
            elif answer.status_code < 500:
                self.refused.append(f"after {last}: {answer.status_code} {(await answer.aread()).decode()}")
