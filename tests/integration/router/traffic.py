"""Clients that do not retry: what they see is what happened."""

import asyncio
import ssl
from collections import Counter
from pathlib import Path


async def connect(root: Path, port: int, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cafile=str(root))
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return int(start.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))


class WebSocket:
    """An upgraded connection; what is said comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, root: Path, port: int, host: str) -> "WebSocket":
        reader, writer = await connect(root, port, host)
        upgrade = f"GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        writer.write(f"{upgrade}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        status, _, _ = await answer(reader)
        assert status == 101
        return cls(reader, writer)

    async def echoes(self, text: str = "ping") -> bool:
        self._writer.write(text.encode())
        async with asyncio.timeout(20):
            return (await self._reader.readexactly(len(text))).decode() == text

    def close(self) -> None:
        self._writer.close()


class Load:
    """Keep-alive connections that send GET and POST in turn, each with an id of its own, until told to stop."""

    def __init__(self, root: Path, port: int, host: str, path: str = "/") -> None:
        self._target = (root, port, host)
        self._path = path
        self._tasks: list[asyncio.Task[None]] = []
        self.sent: list[str] = []
        self.failed: Counter[str] = Counter()
        self._going = True

    def start(self, connections: int) -> "Load":
        self._tasks = [asyncio.create_task(self._run(number)) for number in range(connections)]
        return self

    async def stop(self) -> None:
        self._going = False
        await asyncio.gather(*self._tasks)

    async def sends(self, more: int) -> None:
        """Wait until so many more requests were sent."""
        goal = len(self.sent) + more
        async with asyncio.timeout(30):
            while len(self.sent) < goal:
                await asyncio.sleep(0.005)

    async def _run(self, number: int) -> None:
        count = 0
        while self._going:
            reader, writer = await connect(*self._target)
            close = False
            while self._going and not close:
                count += 1
                close = await self._one(reader, writer, f"{number}-{count}", "POST" if count % 2 else "GET")
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, method: str) -> bool:
        body = name if method == "POST" else ""
        head = f"{method} {self._path} HTTP/1.1\r\nHost: {self._target[2]}\r\nX-Id: {name}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        self.sent.append(name)
        try:
            writer.write(head.encode())
            async with asyncio.timeout(20):
                status, headers, text = await answer(reader)
        except (OSError, EOFError, TimeoutError) as error:
            self.failed[type(error).__name__] += 1
            return True
        if status != 200:
            self.failed[f"{status} {text.decode()}"] += 1
        return headers.get("connection") == "close"
