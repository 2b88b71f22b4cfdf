"""A process that is started in a container that runs already, and its three streams."""

import asyncio
import contextlib
import struct
from collections.abc import Mapping

import msgspec

from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError, NotFound, Refused, StartFailed
from libs.common.engine.hijack import Hijacked, hijack

STDOUT, STDERR = 1, 2
_HEADER = struct.Struct(">BxxxL")
_PIECE = 64 * 1024
_LOOK_SECONDS = 0.005
_START_LOOKS, _END_LOOKS = 2_000, 400
_NOT_STARTED = (126, 127)
_DEATH_LOOKS, _KILLED = 40, (None, 137)
_MOST_REASON = 2_000


class _Seen(msgspec.Struct, rename="pascal"):
    running: bool = False
    exit_code: int | None = None
    pid: int = 0


class Exec:
    """One process. It outlives its streams, and whoever started it: `ending.end` ends it."""

    def __init__(self, engine: Engine, exec_id: str, container_id: str, connection: Hijacked, *, tty: bool) -> None:
        self.id = exec_id
        self.container_id = container_id
        self._engine = engine
        self._tty = tty
        self._reader, self._writer = connection
        self._left = 0
        self._stream = STDOUT

    async def read(self) -> tuple[int, bytes] | None:
        """What it wrote next, and on which stream; a terminal has but one. None when both are closed."""
        try:
            if not self._tty and not self._left:
                self._stream, self._left = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
                if not self._left:
                    return self._stream, b""
            piece = await self._reader.read(_PIECE if self._tty else min(_PIECE, self._left))
        except (OSError, asyncio.IncompleteReadError):
            return None
        self._left -= 0 if self._tty else len(piece)
        return (self._stream, piece) if piece else None

    async def write(self, data: bytes) -> None:
        """Give it input, as fast as it takes it. One that takes none any more is fine."""
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    def close_input(self) -> None:
        """Its input ends here; what it writes still comes."""
        with contextlib.suppress(OSError, RuntimeError):
            if self._writer.can_write_eof():
                self._writer.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        """Of its terminal. One that has ended is fine."""
        with contextlib.suppress(EngineError):
            await self._engine.call(self._engine.api.exec_resize, self.id, height=rows, width=columns)

    async def exit_code(self) -> int | None:
        """Once its streams are closed; None when the engine does not know any more."""
        with contextlib.suppress(NotFound, EngineAway):
            for _ in range(_END_LOOKS):
                if not (seen := await self._look()).running:
                    return seen.exit_code
                await asyncio.sleep(_LOOK_SECONDS)
        return None

    async def began(self) -> None:
        """Wait until it runs, or has; `StartFailed` with the engine's reason when it never will."""
        for _ in range(_START_LOOKS):
            seen = await self._look()
            if seen.pid:
                return
            if seen.exit_code in _NOT_STARTED:
                raise StartFailed(await self._reason())
            await asyncio.sleep(_LOOK_SECONDS)
        raise EngineAway("the engine did not start the process in time")

    def close(self) -> None:
        """Let go of its streams; the process itself goes on."""
        self._writer.close()

    async def _look(self) -> _Seen:
        return msgspec.convert(await self._engine.call(self._engine.api.exec_inspect, self.id), _Seen)

    async def _reason(self) -> str:
        """The engine writes why it failed where the process would have written."""
        said = b""
        while len(said) < _MOST_REASON and (piece := await self.read()) is not None:
            said += piece[1]
        return said.decode("utf-8", "replace").strip()[:_MOST_REASON]


async def create(engine: Engine, container_id: str, command: tuple[str, ...], *, tty: bool, env: Mapping[str, str]) -> str:
    """Say what is to run in a container, as its own user; the id. `NotFound`, `Conflict` when the container does not run."""
    made = await engine.call(
        engine.api.exec_create,
        container_id,
        list(command),
        stdin=True,
        stdout=True,
        stderr=True,
        tty=tty,
        environment=dict(env),
    )
    return str(made["Id"])


async def start(engine: Engine, exec_id: str, container_id: str, *, tty: bool) -> Exec:
    """Start it. `StartFailed` with the engine's reason, `Conflict`, `NotFound`, `EngineAway`."""
    try:
        connection = await hijack(engine, f"/exec/{exec_id}/start", {"Detach": False, "Tty": tty})
    except Refused as error:
        raise StartFailed(str(error)) from error
    process = Exec(engine, exec_id, container_id, connection, tty=tty)
    try:
        await process.began()
    except BaseException:
        process.close()
        raise
    return process


async def was_taken_along(engine: Engine, container_id: str, code: int | None) -> bool:
    """Whether a process ended because its container did. The engine knows of the one a little before the other."""
    try:
        for _ in range(_DEATH_LOOKS if code in _KILLED else 1):
            if not (await containers.inspect(engine, container_id)).pid:
                return True
            await asyncio.sleep(_LOOK_SECONDS)
    except (NotFound, EngineAway):
        return True
    return False
