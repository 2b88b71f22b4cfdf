"""What a container wrote, from its end backwards."""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC

import msgspec

from libs.common import clock
from libs.common.engine.connect import Engine
from libs.common.engine.lines import answer

MOST_BYTES = 1_000_000
_MOST_LINES = 10_000

_HEADER = struct.Struct(">BxxxL")
_NAMES = {1: "stdout", 2: "stderr"}
STREAMS = tuple(_NAMES.values())
_CHUNK = 65_536

Frame = tuple[int, bytes]


class ContainerLine(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is the engine's RFC 3339 time of the line; `stream` is `stdout` or `stderr`; `message` has no line end.

    `ended`: it had one.
    """

    at: str
    stream: str
    message: str
    ended: bool = True


async def tail(
    engine: Engine, container_id: str, lines: int, *, since: str | None = None, stream: str | None = None
) -> list[ContainerLine]:
    """The last `lines` lines, oldest first, at most 1 MB of them; `since` is RFC 3339. Works for a container that is dead.

    `stream` is `stdout` or `stderr`, None for both.

    `NotFound` when it is gone; `Refused` when its log driver cannot be read.
    """
    return await engine.call(_read, engine, container_id, lines, since, stream)


def _read(engine: Engine, container_id: str, lines: int, since: str | None, stream: str | None) -> list[ContainerLine]:
    wanted = {name: int(stream in {None, name}) for name in STREAMS}
    # The engine counts back over both streams, and leaves out then.
    params: dict[str, str | int] = {**wanted, "timestamps": 1, "tail": lines if stream is None else _MOST_LINES}
    if since is not None:
        params["since"] = f"{clock.parse(since).astimezone(UTC).timestamp():.6f}"
    response = answer(engine.api, "GET", f"/containers/{container_id}/logs", params)
    try:
        return join(last(frames(response.iter_content(_CHUNK)), MOST_BYTES))[-lines:]
    finally:
        response.close()


def frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """Take the engine's multiplexed stream apart: (stream number, what was written)."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        at = 0
        while len(buffer) - at >= _HEADER.size:
            stream, size = _HEADER.unpack_from(buffer, at)
            end = at + _HEADER.size + size
            if end > len(buffer):
                break
            yield stream, bytes(buffer[at + _HEADER.size : end])
            at = end
        del buffer[:at]


def last(entries: Iterable[Frame], most_bytes: int) -> list[Frame]:
    """Keep the newest entries that fit into `most_bytes`."""
    kept: deque[Frame] = deque()
    size = 0
    for entry in entries:
        kept.append(entry)
        size += len(entry[1])
        while size > most_bytes:
            size -= len(kept.popleft()[1])
    return list(kept)


def join(entries: Iterable[Frame]) -> list[ContainerLine]:
    """Make lines of entries: the engine cuts a long line into several, and only the last of them ends with a line end."""
    found: list[ContainerLine] = []
    open_lines: dict[int, tuple[str, bytes]] = {}
    for stream, entry in entries:
        at, _, text = entry.partition(b" ")
        first_at, before = open_lines.pop(stream, (at.decode("ascii", "replace"), b""))
        if text.endswith(b"\n"):
            found.append(_line(stream, first_at, before + text))
        else:
            open_lines[stream] = (first_at, before + text)
    found += [_line(stream, at, text, ended=False) for stream, (at, text) in open_lines.items()]
    return found


def _line(stream: int, at: str, text: bytes, *, ended: bool = True) -> ContainerLine:
    message = text.decode("utf-8", "replace").rstrip("\r\n")
    return ContainerLine(at=at, stream=_NAMES.get(stream, "stdout"), message=message, ended=ended)
