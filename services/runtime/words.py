"""The last words of replicas: kept in LOGS before a container goes, and read back."""

import asyncio

import msgspec
import structlog

from libs.common import bounds, subjects
from libs.common.bus import Bus, BusAway
from libs.common.engine import logs
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError, NotFound, Refused
from libs.common.messages.runtime import LogLine
from services.runtime.masks import Masks
from services.runtime.replica import Replica

MOST_LINES = 2_000
MOST_LINE = 64_000
_CHUNK_LINES = 200
_CHUNK_BYTES = 400_000
_MOST_CHUNKS = 200
_TRIES = 3

logger = structlog.get_logger()


async def lines_of(engine: Engine, replica: Replica, masks: Masks, count: int, since: str | None = None) -> list[LogLine]:
    """Return the last lines of a container, secrets masked, each at most 64,000 bytes long.

    `NotFound`: it is gone; any other `EngineError`: its log cannot be read; `EngineAway` only while the engine does not answer.
    """
    try:
        found = await logs.tail(engine, replica.id, count, since)
    except EngineAway as error:
        # A log that breaks off in its middle looks the same.
        await engine.ping()
        raise Refused(f"its log breaks off: {error}") from error
    return [
        LogLine(at=line.at, stream=line.stream, replica=replica.name, message=bounds.cut(masks.hide(line.message), MOST_LINE))
        for line in found
    ]


async def keep(bus: Bus, engine: Engine, replica: Replica, masks: Masks) -> None:
    """Store what the container said last; twice is once, for the ids are made from the container.

    What cannot be had, or is not taken though the bus is there, is lost, and the log says so: the container has to go all the same.
    `EngineAway` and `BusAway` while they are away; `NotFound`: the container is gone.
    """
    try:
        lines = await lines_of(engine, replica, masks, MOST_LINES)
    except NotFound:
        raise
    except EngineError as error:
        logger.error("runtime.words_lost", replica=replica.name, error=str(error))  # noqa: TRY400 - no bug of ours
        return
    subject = subjects.log(replica.deployment_id, replica.name.replace(".", "_"))
    for number, chunk in enumerate(chunks(lines)):
        if not await _store(bus, subject, chunk, f"{replica.id[:12]}.words.{number}"):
            logger.error("runtime.words_lost", replica=replica.name, error="the bus does not take them")
            return


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
    found: list[LogLine] = []
    sequence, left = 1, _MOST_CHUNKS
    while left and (message := await bus.next_kept(subjects.LOGS, subjects.log(deployment_id, ">"), sequence)):
        sequence = int(message.seq or 0) + 1
        # The log of a build comes first, and may have more pieces than are read here.
        if subjects.is_replica_log(message.subject or ""):
            found += msgspec.json.decode(message.data or b"[]", type=list[LogLine])
            left -= 1
    return found
