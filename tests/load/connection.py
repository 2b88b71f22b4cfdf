"""One keep-alive HTTP/1.1 connection over TLS. It never sends a request twice."""

import asyncio
import ssl
from typing import NamedTuple

ADDRESS = "127.0.0.1"


class Answer(NamedTuple):
    status: int
    request_id: str
    body: bytes


class Connection:
    """To `host` at a port of this machine. It connects at the first request, and anew after the server said `Connection: close`."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, request_id: str, body: bytes = b"", headers: str = "") -> Answer:
        """Send one request; any fault of the connection is raised as it comes (OSError, EOFError)."""
        reader, writer = self._streams or await self._connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nX-Request-Id: {request_id}\r\n{headers}"
        size = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        try:
            writer.write(f"{head}{size}\r\n".encode() + body)
            answer, keep = await _read(reader)
        except BaseException:
            self.close()
            raise
        if not keep:
            self.close()
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(ADDRESS, self._port, ssl=self._context, server_hostname=self._host)
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def _read(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    return Answer(status, fields.get("x-request-id", ""), body), fields.get("connection", "").lower() != "close"
