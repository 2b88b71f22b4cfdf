"""The last words of replicas: kept in LOGS before a container goes, and read back."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from libs.common import bounds, subjects
from libs.common.bus import Bus, BusAway
from libs.common.engine import logs
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError, NotFound, Refused
from libs.common.messages.runtime import LogLine
from libs.common.streams import MOST_PIECES
from services.runtime.masks import Masks
from services.runtime.replica import Replica

MOST_LINES = 2_000
MOST_LINE = 64_000
_CHUNK_LINES = 200
_CHUNK_BYTES = 400_000
_MOST_CHUNKS = 200
_TRIES = 3

logger = structlog.get_logger()


class Speaker(Protocol):
    """A container as far as its log is concerned; its lines carry its name."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


def subject_of(replica: Replica) -> str:
    """Where the last words of a replica are kept."""
    return subjects.log(replica.deployment_id, replica.name.replace(".", "_"))


async def lines_of(
    engine: Engine, speaker: Speaker, masks: Masks, count: int, *, since: str | None = None, stream: str | None = None, whole: bool = False
) -> list[LogLine]:
    """Return the last lines of a container, secrets masked, each at most 64,000 bytes long. `whole`: none that has not ended yet.

    `NotFound`: it is gone; any other `EngineError`: its log cannot be read; `EngineAway` only while the engine does not answer.
    """
    try:
        found = await logs.tail(engine, speaker.id, count, since=since, stream=stream)
    except EngineAway as error:
        # A log that breaks off in its middle looks the same.
        await engine.ping()
        raise Refused(f"its log breaks off: {error}") from error
    hidden = {each: iter(masks.hide_all(line.message for line in found if line.stream == each)) for each in logs.STREAMS}
    shown = [(line, next(hidden[line.stream])) for line in found]
    return [
        LogLine(at=line.at, stream=line.stream, replica=speaker.name, message=bounds.cut(message, MOST_LINE))
        for line, message in shown
        if line.ended or not whole
    ]


async def keep(bus: Bus, engine: Engine, speaker: Speaker, masks: Masks, subject: str) -> None:
    """Store what the container said last; twice is once, for the ids are made from the container.

    What cannot be had, or is not taken though the bus is there, is lost, and the log says so: the container has to go all the same.
    `EngineAway` and `BusAway` while they are away; `NotFound`: the container is gone.
    """
    try:
        lines = await lines_of(engine, speaker, masks, MOST_LINES)
    except NotFound:
        raise
    except EngineError as error:
        logger.error("runtime.words_lost", replica=speaker.name, error=str(error))  # noqa: TRY400 - no bug of ours
        return
    if not await store(bus, subject, lines, f"{speaker.id[:12]}.words"):
        logger.error("runtime.words_lost", replica=speaker.name, error="the bus does not take them")


async def store(bus: Bus, subject: str, lines: list[LogLine], message_id: str) -> bool:
    """Store lines, in pieces with ids that begin so; say whether the bus took all of them. `BusAway` while there is no bus."""
    for number, chunk in enumerate(chunks(lines)):
        if not await _store(bus, subject, chunk, f"{message_id}.{number}"):
            return False
    return True


async def _store(bus: Bus, subject: str, chunk: list[LogLine], message_id: str) -> bool:
    """Say whether the bus took it; `BusAway` while there is no bus."""
    for _ in range(_TRIES):
        try:
            await bus.publish(subject, chunk, message_id)
        except BusAway as error:
            if not bus.connected:
                raise
            logger.info("runtime.words_wait", error=str(error))
            await asyncio.sleep(error.after)
        else:
            return True
    return False


def chunks(lines: list[LogLine]) -> list[list[LogLine]]:
    """Cut into pieces that fit into a message of the bus."""
    found: list[list[LogLine]] = []
    left = 0
    for line in lines:
        size = bounds.size(line) + 1
        if not found or len(found[-1]) >= _CHUNK_LINES or size > left:
            found.append([])
            left = _CHUNK_BYTES
        found[-1].append(line)
        left -= size
    return found


async def recall(bus: Bus, deployment_id: str) -> list[LogLine]:
    """Return what was kept of a deployment's replicas, as it was stored. `BusAway` when the bus does not answer."""
    # The log of a build comes first, and may have more pieces than are read here.
    return await _recall(bus, subjects.log(deployment_id, ">"), _MOST_CHUNKS, subjects.is_replica_log)


async def recall_one(bus: Bus, subject: str) -> list[LogLine]:
    """Return what was kept under one subject. `BusAway` when the bus does not answer."""
    return await _recall(bus, subject, MOST_PIECES, lambda _subject: True)


async def _recall(bus: Bus, subject: str, left: int, is_asked: Callable[[str], bool]) -> list[LogLine]:
    found: list[LogLine] = []
    sequence = 1
    while left and (message := await bus.next_kept(subjects.LOGS, subject, sequence)):
        sequence = int(message.seq or 0) + 1
        if is_asked(message.subject or ""):
            found += msgspec.json.decode(message.data or b"[]", type=list[LogLine])
            left -= 1
    return found
