"""From the runtime's session to a client's WebSocket: a text frame a line, as fast as the client reads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from libs.common.bus import BusAway, NoAnswer
from libs.common.live.channel import Channel
from libs.common.live.dial import NotOpened, dial
from libs.common.messages.runtime import LogsQuery
from libs.common.messages.sessions import LEFT, Ended
from services.api.core import Core
from services.api.http.problems import Problem
from services.api.http.sockets import GONE, Socket
from services.api.http.watching import refusal
from services.api.logs.service import away
from services.api.turns import Turns

_WINDOW = 128 * 1024
"""How much is held here of what a client has not taken yet, in bytes."""
_TURN = 32


@contextlib.asynccontextmanager
async def opened(core: Core, query: LogsQuery) -> AsyncIterator[Channel]:
    """The lines of an app, until the end of the block. A `Problem` when the runtime refuses, or does not answer."""
    try:
        async with dial(core.bus, "logs", query.app_id, query, window=_WINDOW) as call:
            yield call.channel
    except NotOpened as error:
        raise Problem(error.code, str(error)) from error
    except (NoAnswer, BusAway) as error:
        raise away() from error


async def speak(socket: Socket, channel: Channel, may: Callable[[], Awaitable[None]], turns: Turns) -> Ended:
    """Until the runtime ends it. `Problem` when the client may not go on: `may` is asked as `watching` does."""
    tasks = {asyncio.create_task(_give(socket, channel, turns)), asyncio.create_task(_refused(may))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _give(socket: Socket, channel: Channel, turns: Turns) -> Ended:
    while (frame := await channel.receive()) is not None:
        lines = frame.body.decode().split("\n")
        for start in range(0, len(lines), _TURN):
            await turns.mine()
            try:
                for line in lines[start : start + _TURN]:
                    await socket.send({"type": "websocket.send", "bytes": None, "text": line})
            except GONE:
                return Ended(reason=LEFT)
    return channel.ended or Ended(reason=LEFT)


async def _refused(may: Callable[[], Awaitable[None]]) -> Ended:
    raise await refusal(may)
