"""What happens to our containers, as the engine says it."""

from datetime import UTC, datetime
from time import time

import msgspec

from libs.common import clock
from libs.common.engine.connect import Engine
from libs.common.engine.containers import INSTANCE_LABEL
from libs.common.engine.errors import EngineAway
from libs.common.engine.lines import Lines

ACTIONS = ("create", "start", "die", "oom", "kill", "destroy", "pause", "unpause", "health_status", "rename", "update")


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is the engine's time, RFC 3339 in milliseconds; `attributes` holds the labels, `name`, and for `die` the `exitCode`."""

    at: str
    kind: str
    action: str
    container_id: str
    attributes: dict[str, str]


class _Actor(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID")
    attributes: dict[str, str] = {}


class _Event(msgspec.Struct):
    kind: str = msgspec.field(name="Type")
    action: str = msgspec.field(name="Action")
    actor: _Actor = msgspec.field(name="Actor")
    nanoseconds: int = msgspec.field(name="timeNano")


class Watch:
    """Events from the moment of the call on; iterate with `async for`. It ends with `EngineAway` alone, or by `aclose`.

    Nothing is lost between the call and the engine's answer: the engine is asked for what happened since.
    `opened` is set when it has answered.
    """

    def __init__(self, engine: Engine, instance: str) -> None:
        filters = {"type": ["container"], "event": list(ACTIONS), "label": [f"{INSTANCE_LABEL}={instance}"]}
        params = {"filters": msgspec.json.encode(filters).decode(), "since": f"{time():.6f}"}
        self._lines = Lines(engine, "GET", "/events", params)
        self._closed = False
        self.opened = self._lines.opened

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> EngineEvent:
        async for line in self._lines:
            return read(line)
        if self._closed:
            raise StopAsyncIteration
        raise EngineAway("the engine's events ended")

    async def aclose(self) -> None:
        self._closed = True
        self._lines.close()


def watch(engine: Engine, instance: str) -> Watch:
    """Watch the containers of this installation."""
    return Watch(engine, instance)


def read(line: bytes) -> EngineEvent:
    raw = msgspec.json.decode(line, type=_Event)
    return EngineEvent(
        at=clock.rfc3339(datetime.fromtimestamp(raw.nanoseconds / 1e9, UTC)),
        kind=raw.kind,
        action=raw.action.partition(":")[0],
        container_id=raw.actor.id,
        attributes=raw.actor.attributes,
    )
