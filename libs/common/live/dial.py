"""The API's way into a live session."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.errors import DockupError
from libs.common.live.channel import Channel
from libs.common.live.flow import WINDOW
from libs.common.messages.sessions import Behind, OpenSession, SessionAnswer

OPEN_SECONDS = 10.0
_SECRET_BYTES = 20


class NotOpened(DockupError):
    """The runtime refused: `code` is an error code of the API."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Call(NamedTuple):
    """An open session; `replica` is what it is about, where it is about one."""

    channel: Channel
    replica: str


@contextlib.asynccontextmanager
async def dial(
    bus: Bus, kind: str, app_id: str, request: msgspec.Struct, *, window: int = WINDOW, by: Behind | None = None
) -> AsyncIterator[Call]:
    """Open a session; its end is the block's. `NotOpened`, or `NoAnswer` when no runtime answers in ten seconds.

    `by`: who stands behind it, for the audit.
    """
    session = f"ses_{secrets.token_hex(_SECRET_BYTES)}"
    channel = Channel(bus, hears=subjects.live(session, "out"), speaks=subjects.live(session, "in"), window=window)
    body = OpenSession(session=session, kind=kind, app_id=app_id, request=msgspec.Raw(msgspec.json.encode(request)), by=by)
    async with channel:
        await channel.listen()
        answer = await bus.query("runtime", "open", body, SessionAnswer, timeout=OPEN_SECONDS)
        if answer.refusal:
            raise NotOpened(answer.refusal, answer.detail)
        channel.start()
        yield Call(channel, answer.replica)
