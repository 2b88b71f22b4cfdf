"""Reads what LOGS keeps of a deployment: message after message, so that a log of any length needs the memory of one."""

from typing import NamedTuple

import msgspec
import nats.errors
import nats.js.errors

from libs.common import streams, subjects
from libs.common.bus import Bus
from libs.common.cancelling import heed
from services.api.build_logs.schemas import LogEntry
from services.api.http.problems import Problem, invalid

_LONGEST = 20
"""Digits of a number in a cursor."""


class Cursor(NamedTuple):
    """The last line that was seen: number `line`, from 0, of the message `seq` of the stream. `line` -1: none of that message."""

    seq: int = 0
    line: int = -1

    def __str__(self) -> str:
        return f"{self.seq}.{self.line}"


class _Stored(msgspec.Struct):
    """What `BuildLine` and the runtime's `LogLine` have in common, and what one of them has."""

    at: str
    stream: str
    message: str
    step: int = 0
    duration_ms: float | None = None
    replica: str | None = None


_lines = msgspec.json.Decoder(list[_Stored])


def parse(text: str | None, pointer: str) -> Cursor:
    if text is None:
        return Cursor()
    parts = text.split(".")
    if len(parts) != len(Cursor._fields) or not all(part.isascii() and part.isdecimal() and len(part) <= _LONGEST for part in parts):
        raise invalid(pointer, "is not the cursor of a line")
    return Cursor(int(parts[0]), int(parts[1]))


async def check(bus: Bus, cursor: Cursor) -> None:
    """`410 cursor_expired` for a line that the stream never had: it was made anew since. `503` while the bus is away."""
    if not bus.connected:
        raise away()
    if not cursor.seq:
        return
    try:
        seen = await heed(streams.look(bus.js, subjects.LOGS))
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        raise away() from error
    if seen is None or cursor.seq > seen.last:
        raise Problem("cursor_expired", "The log was begun anew since.", restart_after=None)


async def following(bus: Bus, deployment_id: str, cursor: Cursor) -> list[LogEntry]:
    """The lines of the next message after `cursor`; empty when there is none yet. `BusAway` when the bus does not answer."""
    subject = subjects.log(deployment_id, ">")
    after = cursor
    while True:
        first = after.seq if after == cursor and cursor.line >= 0 else after.seq + 1
        if (message := await bus.next_kept(subjects.LOGS, subject, first)) is None:
            return []
        seq = int(message.seq or 0)
        found = _entries(seq, message.subject or "", message.data or b"[]")
        found = found[cursor.line + 1 :] if seq == cursor.seq else found
        if found:
            return found
        after = Cursor(seq)


def away() -> Problem:
    detail = "The log is on the bus, which does not answer now; the deployment is not affected."
    return Problem("logs_unavailable", detail, headers={"Retry-After": "2"})


def _entries(seq: int, subject: str, body: bytes) -> list[LogEntry]:
    is_of_replica = subjects.is_replica_log(subject)
    return [
        LogEntry(
            cursor=str(Cursor(seq, number)),
            at=line.at,
            stream=line.stream,
            step=line.step,
            message=line.message,
            duration_ms=line.duration_ms,
            replica=line.replica if is_of_replica else None,
        )
        for number, line in enumerate(_lines.decode(body))
    ]
