"""One request and its answer, on a connection of its own: h11 reads and writes HTTP, this moves the bytes."""

import asyncio
from collections.abc import AsyncIterator

import h11

from services.runtime.codex.gate.rules import MEGABYTE, Refused

_PIECE = 64 * 1024
_BODY_SECONDS = 60.0
"""Without a byte of a body that was announced."""


class Gone(Exception):
    """The session closed the connection, or speaks no HTTP."""


class Exchange:
    """`request` first, then `body` or not, then `begin`, `give` and `end`. Every answer closes the connection: nothing can follow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER)
        self.began = False

    async def request(self) -> h11.Request:
        """`Gone` for what is none."""
        event = await self._next()
        if not isinstance(event, h11.Request):
            raise Gone
        return event

    async def body(self, most: int) -> AsyncIterator[bytes]:
        """Its pieces as they come; `Refused` beyond `most` bytes."""
        left = most
        while True:
            try:
                async with asyncio.timeout(_BODY_SECONDS):
                    event = await self._next()
            except TimeoutError as error:
                raise Gone from error
            if isinstance(event, h11.EndOfMessage):
                return
            if not isinstance(event, h11.Data):
                raise Gone
            left -= len(event.data)
            if left < 0:
                raise Refused(413, f"at most {most // MEGABYTE} MB are taken here")
            yield bytes(event.data)

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.began = True
        await self._send(h11.Response(status_code=status, headers=[*headers, (b"connection", b"close")]))

    async def give(self, piece: bytes) -> None:
        await self._send(h11.Data(data=piece))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def refuse(self, status: int, body: bytes, kind: str) -> None:
        """Answer without asking anybody, where nothing was answered yet."""
        if not self.began:
            await self.begin(status, [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())])
            await self.give(body)
            await self.end()

    async def _next(self) -> h11.Event:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise Gone from error
            if event is not h11.NEED_DATA:
                if event is h11.PAUSED:
                    raise Gone
                return event  # type: ignore[return-value] # what is left are events
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_PIECE))

    async def _send(self, event: h11.Event) -> None:
        try:
            data = self._http.send(event)
            if data:
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, h11.LocalProtocolError) as error:
            raise Gone from error
