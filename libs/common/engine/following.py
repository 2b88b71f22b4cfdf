"""What a container writes, as it writes it: the engine's stream of its log, as bytes for `demux`.

Over HTTP 1.0, for that has no chunks: the engine makes one of every line, and taking them apart costs more than all the rest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC
from urllib.parse import urlencode

from libs.common import clock
from libs.common.engine.connect import Engine
from libs.common.engine.hijack import stream

_DECIMALS = 9


@contextlib.asynccontextmanager
async def follow(engine: Engine, container_id: str, *, lines: int | None, since: str = "") -> AsyncIterator[asyncio.StreamReader]:
    """The last `lines` lines, None for all of them, of those the ones from `since` on (RFC 3339), and then what comes.

    It ends with the container's life. Whoever does not read holds up nobody else: the engine then reads no further in its file.
    `NotFound`, `Refused`, `EngineAway`.
    """
    asked = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": 1, "tail": "all" if lines is None else lines}
    if since:
        asked["since"] = engine_time(since)
    reader, writer = await stream(engine, f"/containers/{container_id}/logs?{urlencode(asked)}")
    try:
        yield reader
    finally:
        writer.close()


def engine_time(at: str) -> str:
    """As the engine takes it, in seconds since 1970, to the nanosecond."""
    decimals = at.partition(".")[2].rstrip("Zz") if "." in at else ""
    whole = int(clock.parse(at).astimezone(UTC).timestamp())
    digits = decimals[:_DECIMALS] if decimals.isdecimal() else ""
    return f"{whole}.{digits:0<{_DECIMALS}}"
