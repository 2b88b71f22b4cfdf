"""The last words of replicas: kept in LOGS before a container goes, and read back."""

import msgspec
import nats.errors
import nats.js.errors

from libs.common import subjects
from libs.common.bus import Bus, BusAway
from libs.common.engine import logs
from libs.common.engine.connect import Engine
from libs.common.messages.runtime import LogLine
from services.runtime.masks import Masks
from services.runtime.replica import Replica

MOST_LINES = 2_000
_CHUNK_LINES = 200
_CHUNK_BYTES = 400_000
_MOST_CHUNKS = 200
_NOT_REPLICAS = {"build", "release"}


async def lines_of(engine: Engine, replica: Replica, masks: Masks, count: int, since: str | None = None) -> list[LogLine]:
    """Return the last lines of a container, secrets masked."""
    found = await logs.tail(engine, replica.id, count, since)
    return [LogLine(at=line.at, stream=line.stream, replica=replica.name, message=masks.hide(line.message)) for line in found]


async def keep(bus: Bus, engine: Engine, replica: Replica, masks: Masks) -> None:
    """Store what the container said last; twice is once, for the ids are made from the container."""
    lines = await lines_of(engine, replica, masks, MOST_LINES)
    subject = subjects.log(replica.deployment_id, replica.name.replace(".", "_"))
    for number, chunk in enumerate(chunks(lines)):
        await bus.publish(subject, chunk, f"{replica.id[:12]}.words.{number}")


def chunks(lines: list[LogLine]) -> list[list[LogLine]]:
    """Cut into pieces that fit into a message of the bus."""
    found: list[list[LogLine]] = [[]]
    size = 0
    for line in lines:
        if len(found[-1]) >= _CHUNK_LINES or size + len(line.message) > _CHUNK_BYTES:
            found.append([])
            size = 0
        found[-1].append(line)
        size += len(line.message) + 100
    return [chunk for chunk in found if chunk]


async def recall(bus: Bus, deployment_id: str) -> list[LogLine]:
    """Return what was kept of a deployment's replicas, as it was stored. `BusAway` when the bus does not answer."""
    found: list[LogLine] = []
    sequence = 1
    for _ in range(_MOST_CHUNKS):
        try:
            message = await bus.js.get_msg(subjects.LOGS, seq=sequence, subject=subjects.log(deployment_id, ">"), direct=True, next=True)
        except nats.js.errors.NotFoundError:
            break
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusAway(f"LOGS: {error or type(error).__name__}") from error
        sequence = int(message.seq or 0) + 1
        if (message.subject or "").rsplit(".", 1)[-1] not in _NOT_REPLICAS:
            found += msgspec.json.decode(message.data or b"[]", type=list[LogLine])
    return found
