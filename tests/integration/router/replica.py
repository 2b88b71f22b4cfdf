"""A replica of an app: a real HTTP server that says who it is, counts what it served, and echoes after an upgrade."""

import asyncio
import base64
import hashlib
import json
from collections import Counter

from libs.common.messages.runtime import Upstream

_WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Replica:
    """`served` counts the ids of finished requests (`X-Id`). `open` is the number of connections."""

    def __init__(self, name: str, address: str = "127.0.0.1") -> None:
        self.name = name
        self.address = address
        self.port = 0
        self.served: Counter[str] = Counter()
        self.open = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> "Replica":
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server:
            self._server.close()

    def upstream(self, *, draining: bool = False) -> Upstream:
        since = "2026-01-01T00:00:00Z" if draining else None
        return Upstream(name=self.name, address=self.address, port=self.port, draining_since=since)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has had enough
        finally:
            self.open -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        method, path, _ = start.split()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        if "upgrade" in headers:
            await self._echo(reader, writer, headers.get("sec-websocket-key", ""))
            return False
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if path.startswith("/sleep/"):
            await asyncio.sleep(float(path.removeprefix("/sleep/")))
        answer = json.dumps({"name": self.name, "method": method, "path": path, "headers": headers, "body": body.decode()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nX-Dockup-Replica: forged\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
        self.served[headers.get("x-id", "")] += 1
        return True

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(f"{key}{_WEBSOCKET}".encode(), usedforsecurity=False).digest())
        start = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        writer.write(start + b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)
        while data := await reader.read(1024):
            writer.write(data)
            await writer.drain()
