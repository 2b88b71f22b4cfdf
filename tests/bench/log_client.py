"""Reads log streams as a bare WebSocket client, and counts: lines, holes, repeats, what is said to be missed. Prints one JSON object.

Arguments: port, the root certificate, path, seconds, number of sockets.
"""

import asyncio
import base64
import json
import os
import re
import ssl
import statistics
import struct
import sys
import time
from datetime import datetime

_NUMBER = re.compile(rb'"at":"([^"]+)","stream":"stdout","replica":"[^"]+","message":"(\d+) ')
_MISSED = re.compile(rb'"type":"missed","lines":(\d+)')
_SHORT, _MIDDLE, _LONG = 126, 126, 127


class Counts:
    def __init__(self) -> None:
        self.lines = self.lost = self.twice = self.missed = 0
        self.last = 0
        self.delays: list[float] = []
        self._missed_now = 0

    def take(self, frame: bytes) -> None:
        if found := _NUMBER.search(frame):
            number = int(found[2])
            if self.last and number > self.last + 1:
                self.lost += number - self.last - 1 - self._missed_now
                self._missed_now = 0
            elif number <= self.last:
                self.twice += 1
            self.last = max(self.last, number)
            self.lines += 1
            if self.lines % 500 == 0:
                at = datetime.fromisoformat(found[1].decode()[:26] + "+00:00").timestamp()
                self.delays.append((time.time() - at) * 1000)
        elif found := _MISSED.search(frame):
            self._missed_now += int(found[1])
            self.missed += int(found[1])


async def read(port: int, context: ssl.SSLContext, path: str, until: float, counts: Counts) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost", limit=1 << 20)
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in answer:
        raise RuntimeError(answer.decode())
    buffer = b""
    while (left := until - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left):
                chunk = await reader.read(1 << 18)
        except TimeoutError:
            break
        if not chunk:
            raise RuntimeError("the stream ended")
        buffer = take_frames(buffer + chunk, counts)
    writer.transport.abort()


def take_frames(buffer: bytes, counts: Counts) -> bytes:
    at = 0
    while len(buffer) - at >= 2:
        size, begin = buffer[at + 1] & 0x7F, at + 2
        if size == _MIDDLE:
            if len(buffer) < begin + 2:
                break
            size, begin = struct.unpack_from(">H", buffer, begin)[0], begin + 2
        elif size == _LONG:
            if len(buffer) < begin + 8:
                break
            size, begin = struct.unpack_from(">Q", buffer, begin)[0], begin + 8
        if len(buffer) < begin + size:
            break
        counts.take(buffer[begin : begin + size])
        at = begin + size
    return buffer[at:]


async def main(port: str, root: str, path: str, seconds: str, sockets: str) -> None:
    context = ssl.create_default_context(cafile=root)
    began = time.monotonic()
    until = began + float(seconds)
    counts = [Counts() for _ in range(int(sockets))]
    await asyncio.gather(*(read(int(port), context, path, until, each) for each in counts))
    figures = {name: sum(getattr(each, name) for each in counts) for name in ("lines", "lost", "twice", "missed")}
    delays = [delay for each in counts for delay in each.delays]
    print(json.dumps({**figures, "seconds": time.monotonic() - began, "delay_ms": round(statistics.median(delays), 1) if delays else None}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
