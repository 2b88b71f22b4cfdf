"""A door before a server that can be shut: connections through it break as they do when the server dies."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path


class Gateway:
    """Listens on a unix socket and passes bytes on to another. `cut` ends every connection and takes no new one until `open`.

    What a client sends at once that holds the bytes `held` waits, once `came` is set, until `let_go` is.
    """

    def __init__(self, listen: Path, target: str, held: bytes | None = None) -> None:
        self._held = held
        self.came, self.let_go = asyncio.Event(), asyncio.Event()
        self._listen = listen
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.address = f"unix://{listen}"

    async def open(self) -> None:
        self._listen.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._pass, str(self._listen))

    def cut(self) -> None:
        if self._server:
            self._server.close()
        self._listen.unlink(missing_ok=True)
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._target)
        self._open |= {writer, back}
        try:
            await asyncio.gather(_copy(reader, back, self._wait), _copy(there, writer))
        finally:
            self._open -= {writer, back}
            for end in (writer, back):
                end.close()

    async def _wait(self, piece: bytes) -> None:
        if self._held and self._held in piece:
            self.came.set()
            await self.let_go.wait()


class SlowRoad:
    """A TCP port of 127.0.0.1 that leads to another: `rate` in bytes a second, 0 while nothing comes through, None for all there is."""

    def __init__(self, target: int, rate: int | None = None) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self.rate = rate
        self.port = 0
        self.came = asyncio.Event()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server:
            self._server.close()
        for task in self._passing:
            task.cancel()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.set()
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        tasks = {asyncio.create_task(_copy(reader, back)), asyncio.create_task(self._trickle(there, writer))}
        self._passing |= tasks
        try:
            await asyncio.wait(tasks)
        finally:
            self._passing -= tasks
            for end in (writer, back):
                end.close()

    async def _trickle(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(16_384):
                while self.rate == 0:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(len(piece) / self.rate if self.rate else 0)
                target.write(piece)
                await target.drain()
            target.write_eof()


async def _copy(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, before: Callable[[bytes], Awaitable[None]] | None = None
) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(65_536):
            if before:
                await before(piece)
            target.write(piece)
            await target.drain()
        target.write_eof()
