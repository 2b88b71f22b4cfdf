"""A connection that the engine hands over: after the head of its answer both sides send bytes as they like.

docker-py would read the head through a buffer of its own, and may keep the first bytes in it; this speaks the few lines itself.
"""

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, EngineAway, EngineError, NotFound, Refused

_SECONDS = 60.0
_TAKEN = (101, 200)
_REFUSALS: dict[int, type[EngineError]] = {404: NotFound, 409: Conflict}


class Hijacked(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _Message(msgspec.Struct):
    message: str = ""


async def hijack(engine: Engine, path: str, body: object) -> Hijacked:
    """Send `POST path` and take the connection over. `NotFound`, `Conflict`, `Refused`, or `EngineAway` when nothing answers."""
    data = msgspec.json.encode(body)
    head = (
        f"POST /v{engine.api.api_version}{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return await _open(engine, head.encode("ascii") + data)


async def stream(engine: Engine, path: str) -> Hijacked:
    """Send `GET path` and read the body of its answer as it comes, without chunks. It raises what `hijack` does."""
    return await _open(engine, f"GET /v{engine.api.api_version}{path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode("ascii"))


async def _open(engine: Engine, request: bytes) -> Hijacked:
    try:
        async with asyncio.timeout(_SECONDS):
            connection = await _connect(engine.host)
            try:
                await _ask(connection, request)
            except BaseException:
                connection.writer.close()
                raise
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
        raise EngineAway(f"the Docker Engine does not answer: {error or type(error).__name__}") from error
    return connection


async def _connect(host: str) -> Hijacked:
    where = urlsplit(host)
    if where.scheme in {"unix", "http+unix"}:
        return Hijacked(*await asyncio.open_unix_connection(where.path))
    return Hijacked(*await asyncio.open_connection(where.hostname, where.port))


async def _ask(connection: Hijacked, request: bytes) -> None:
    connection.writer.write(request)
    await connection.writer.drain()
    answer = await connection.reader.readuntil(b"\r\n\r\n")
    status = int(answer.split(b" ", 2)[1])
    if status not in _TAKEN:
        text = (await connection.reader.read(_MOST_REFUSAL)).decode("utf-8", "replace")
        raise _REFUSALS.get(status, Refused)(_said(text))


_MOST_REFUSAL = 10_000


def _said(text: str) -> str:
    try:
        return msgspec.json.decode(text[text.index("{") : text.rindex("}") + 1], type=_Message).message or text
    except (ValueError, msgspec.DecodeError):
        return text
