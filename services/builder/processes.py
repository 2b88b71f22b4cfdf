"""Programs that are called for a command: each in a process group of its own that does not outlive the call, nor the builder."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

Heard = Callable[[bytes], object]

_PIECE = 65_536
_LONGEST_LINE = 262_144
_KEPT = 64_000


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended: its status, negative for a signal's number, and the last 64 kB of what it wrote."""

    code: int
    out: bytes
    err: str


@contextlib.asynccontextmanager
async def started(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, file_bytes: int = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it for the length of the block; whatever is left of its group then is killed and awaited.

    The environment is `env` alone; no file that it writes exceeds `file_bytes`, where that is given.
    """
    process = await asyncio.create_subprocess_exec(
        *_held(file_bytes),
        *command,
        env=dict(env),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _close(process)
        await asyncio.shield(process.wait())


def _close(process: asyncio.subprocess.Process) -> None:
    """Close its pipes: asyncio waits for their ends, too, and looks for none in one that is full and that nobody reads any more."""
    for number in (1, 2):
        pipe = process._transport.get_pipe_transport(number)  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way to it
        if pipe is not None:
            pipe.close()


@cache
def _tool(name: str) -> bool:
    return shutil.which(name) is not None


def _held(file_bytes: int) -> list[str]:
    """A builder that is killed takes the program with it, so that the next one does not work beside it."""
    words = ["setpriv", "--pdeathsig", "KILL", "--"] if _tool("setpriv") else []
    return [*words, "prlimit", f"--fsize={file_bytes}", "--"] if file_bytes and _tool("prlimit") else words


async def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, file_bytes: int = 0) -> Ended:
    """Run it to its end. Cancelling the task kills the whole group."""
    async with started(command, env=env, cwd=cwd, file_bytes=file_bytes) as process:
        out, err = bytearray(), bytearray()
        await asyncio.gather(_drain(process.stdout, out), _drain(process.stderr, err))
        return Ended(code=await process.wait(), out=bytes(out), err=err.decode(errors="replace"))


async def _drain(stream: asyncio.StreamReader | None, kept: bytearray) -> None:
    while piece := await stream.read(_PIECE) if stream else b"":
        kept += piece
        if len(kept) > _KEPT:
            del kept[:-_KEPT]


async def pieces(stream: asyncio.StreamReader | None, separator: bytes) -> AsyncIterator[bytes]:
    """What the stream holds, cut at each separator; a piece without one is cut at 256 KiB, so that memory stays flat."""
    left = b""
    while piece := await stream.read(_PIECE) if stream else b"":
        *whole, left = (left + piece).split(separator)
        for each in whole:
            yield each
        if len(left) > _LONGEST_LINE:
            yield left
            left = b""
    if left:
        yield left
