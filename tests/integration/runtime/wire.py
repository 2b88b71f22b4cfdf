"""A unix socket in front of the engine's that can be cut: the engine away, as a service sees it."""

import asyncio
import contextlib
from pathlib import Path

from tests.integration.runtime.stack import Stack

ENGINE = "/var/run/docker.sock"


class Wire:
    """Passes bytes both ways while it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._last_words = b""
        self._stuck: tuple[bytes, ...] = ()
        self.is_cut = asyncio.Event()
        self._held: tuple[bytes, ...] = ()
        self._gates: list[asyncio.Event] = []
        self.holds = asyncio.Event()

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    async def mend(self) -> None:
        self._path.unlink(missing_ok=True)
        self.is_cut.clear()
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def cut(self) -> None:
        """Refuse new connections and end all that are open."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for writer in tuple(self._open):
            writer.transport.abort()
        self.is_cut.set()

    def cut_at(self, words: bytes) -> None:
        """Cut it, once, as soon as the engine has been told these words, before it can answer."""
        self._last_words = words

    def stick_at(self, *words: bytes) -> None:
        """The engine hears nothing more over a connection with any of these words, and says nothing; none: all is heard from now on."""
        self._stuck = words

    def hold_at(self, *words: bytes) -> None:
        """The engine does what it is asked with any of these words, and its answers wait for `let_go`; `holds` says that one does."""
        self._held = words
        self.holds.clear()

    def let_go(self) -> None:
        self._held = ()
        for gate in self._gates:
            gate.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(ENGINE)
        both = {writer, far_writer}
        self._open |= both
        gate = asyncio.Event()
        gate.set()
        self._gates.append(gate)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer, gate, is_asking=True))
                group.create_task(self._pass(far_reader, writer, gate, is_asking=False))
        finally:
            self._gates.remove(gate)
            self._open -= both
            for one in both:
                one.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event, *, is_asking: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if is_asking and any(words in data for words in self._stuck):
                    continue
                if is_asking and any(words in data for words in self._held):
                    gate.clear()
                if not is_asking and not gate.is_set():
                    self.holds.set()
                    await gate.wait()
                writer.write(data)
                await writer.drain()
                if is_asking and self._last_words and self._last_words in data:
                    self._last_words = b""
                    await self.cut()
            if writer.can_write_eof():
                writer.write_eof()


async def wired(stack: Stack, home: Path) -> Wire:
    """A runtime that starts anew, with a wire between it and the engine."""
    wire = Wire(home / "engine.sock")
    await wire.mend()
    stack.stop_runtime()
    stack.docker_host = wire.url
    stack.launch()
    return wire
