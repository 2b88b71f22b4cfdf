"""A volume as a tar stream: bytes between a client and the runtime, which alone reaches the data."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec

from libs.common.bus import BusAway, NoAnswer
from libs.common.live.channel import Channel, Over
from libs.common.live.dial import NotOpened, dial
from libs.common.messages.archives import ARCHIVE, BYTES, DONE, END, FILL, REFUSED, RESTORE, SLOW, Filling, Restored, VolumeSession
from libs.common.messages.sessions import LEFT, Ended
from services.api.core import Core
from services.api.http.problems import Problem
from services.api.volumes.models import VolumeRow

_WINDOW = 1024 * 1024


class Cut(Exception):
    """The archive ended before its end: whoever reads it must not take it for whole."""


async def read(core: Core, row: VolumeRow) -> AsyncGenerator[bytes]:
    """The volume's data as tar. Raises `Problem` before the first bytes alone, and `Cut` after them."""
    asked = VolumeSession(project_id=row.project_id, volume=row.id, copy=row.copy)
    try:
        async with dial(core.bus, ARCHIVE, row.app_id, asked, window=_WINDOW) as call:
            async for chunk in _received(call.channel):
                yield chunk
    except (NotOpened, NoAnswer, BusAway) as error:
        raise _unavailable(error) from error


async def _received(channel: Channel) -> AsyncIterator[bytes]:
    is_first = True
    while (frame := await channel.receive()) is not None:
        if frame.tag == END:
            return
        is_first = False
        yield frame.body
    ended = channel.ended or Ended(reason=LEFT)
    if is_first:
        raise _failed(ended)
    raise Cut(f"{ended.reason}: {ended.detail}")


async def write(core: Core, row: VolumeRow, chunks: AsyncIterator[bytes], begin: Callable[[], Awaitable[Filling]]) -> tuple[int, Restored]:
    """Make the volume's next copy from an archive; return its number. The volume itself is not touched.

    `begin` says which copy, once the runtime has a place for it and something has come.
    `400 empty_upload`, `400 archive_refused`, `503 runtime_unavailable`; what `chunks` raises leaves nothing behind.
    """
    asked = VolumeSession(project_id=row.project_id, volume=row.id, copy=row.copy)
    try:
        async with dial(core.bus, RESTORE, row.app_id, asked) as call:
            first = await anext(chunks, b"")
            if not first:
                raise Problem("empty_upload")
            filling = await begin()
            return filling.copy, _read_end(await _until_over(call.channel, _send(call.channel, filling, first, chunks)))
    except (NotOpened, NoAnswer, BusAway) as error:
        raise _unavailable(error) from error


async def _until_over(channel: Channel, work: Awaitable[None]) -> Ended:
    """How the session ended: it may do so while `work` waits for a client that sends nothing more."""
    sending, over = asyncio.ensure_future(work), asyncio.ensure_future(channel.over.wait())
    try:
        await asyncio.wait({sending, over}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done() and not isinstance(sending.exception(), Over):
            sending.result()
        await over
    finally:
        for task in (sending, over):
            task.cancel()
        await asyncio.gather(sending, over, return_exceptions=True)
    return channel.ended or Ended(reason=LEFT)


async def _send(channel: Channel, filling: Filling, first: bytes, rest: AsyncIterator[bytes]) -> None:
    await channel.put(msgspec.json.encode(filling), FILL)
    await channel.send(first, BYTES)
    async for chunk in rest:
        await channel.send(chunk, BYTES)
    await channel.put(b"", END)


def _read_end(ended: Ended) -> Restored:
    if ended.reason == DONE:
        return msgspec.json.decode(ended.detail, type=Restored)
    if ended.reason == REFUSED:
        raise Problem("archive_refused", ended.detail)
    if ended.reason == SLOW:
        raise Problem("upload_incomplete", f"The archive did not go on: {ended.detail}.")
    raise _failed(ended)


def _failed(ended: Ended) -> Problem:
    return Problem("runtime_unavailable", f"The runtime could not do it: {ended.detail or ended.reason}.")


def _unavailable(error: NotOpened | NoAnswer | BusAway) -> Problem:
    return Problem(error.code if isinstance(error, NotOpened) else "runtime_unavailable", str(error))
