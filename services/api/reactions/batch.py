"""One transaction for all the events that wait: cursor, feed, what follows, and what is to be said of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError

from libs.common import log, subjects
from libs.common.messages.api import Recorded
from services.api.db.passing import passes
from services.api.db.tables import CursorRow
from services.api.db.tx import Tx
from services.api.event_stream import read_stream
from services.api.events.models import EventRow
from services.api.reactions.scene import Line, Scene
from services.api.reactions.table import TABLE, Entry

_MOVE = update(CursorRow).where(CursorRow.name == subjects.EVENTS, CursorRow.seq == bindparam("before")).values(seq=bindparam("after"))
_KNOWN = select(EventRow.event_id).where(EventRow.event_id.in_(bindparam("event_ids", expanding=True)))
_FEED = insert(EventRow)

logger = structlog.get_logger()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the stream."""

    seq: int
    subject: str
    body: bytes
    headers: Mapping[str, str]


class Fenced(Exception):
    """Another API process has read this part of the stream, or has made another stream."""


async def take(tx: Tx, stream: str, before: int, batch: Sequence[Heard]) -> set[str]:
    """React to `batch`, which follows the cursor at `before` of `stream`; return whom to wake.

    `Fenced` when the cursor stands elsewhere, be it in another stream.
    """
    await _advance(tx, stream, before, batch[-1].seq)
    return await _react(tx, batch)


async def take_or_pass_over(tx: Tx, stream: str, before: int, batch: Sequence[Heard]) -> set[str]:
    """As `take`, but the batch, of one event, is passed over when the reaction to it fails though the transaction itself can go on."""
    await _advance(tx, stream, before, batch[-1].seq)
    try:
        async with tx.attempt():
            return await _react(tx, batch)
    except Exception as error:  # a bug with one event must not hold up all that come after it
        if isinstance(error, DBAPIError) and passes(error):
            raise
        logger.critical("cursor.passed_over", subjects=[heard.subject for heard in batch], seq=batch[-1].seq, exc_info=True)
        return set()


async def _advance(tx: Tx, stream: str, before: int, after: int) -> None:
    moved = await tx.connection.execute(_MOVE, {"before": before, "after": after})
    if moved.rowcount != 1 or await read_stream(tx.connection) != stream:
        raise Fenced


async def _react(tx: Tx, batch: Sequence[Heard]) -> set[str]:
    read = [(heard, event) for heard in batch if (event := _decode(heard)) is not None]
    known = await _known(tx, [event.event_id for _, event in read])
    scene = Scene(tx)
    await scene.hold(_apps_of(event for _, event in read if event.event_id not in known))
    rows: list[dict[str, object]] = []
    for heard, event in read:
        if event.event_id in known:
            continue
        with log.incoming(heard.headers, cause=event.event_id):
            line = await _entry(heard).react(scene, event)
        if line is not None:
            known.add(event.event_id)
            scene.wakes.update(key for key in (line.app_id, line.deployment_id) if key)
            rows.append(_row(heard, event.event_id, event.at, line))
    await scene.finish()
    if rows:
        await tx.connection.execute(_FEED, rows)
    return scene.wakes


def _entry(heard: Heard) -> Entry:
    return TABLE[subjects.parse(heard.subject).name]


def _decode(heard: Heard) -> Any:  # noqa: ANN401 - one of the structs of TABLE
    """Return the event, or None for what nobody here can read: it must not stop the stream."""
    try:
        return _entry(heard).decoder.decode(heard.body)
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        logger.error("cursor.unreadable", subject=heard.subject, seq=heard.seq, error=repr(error))  # noqa: TRY400 - no bug of ours
        return None


def _apps_of(events: Iterable[Any]) -> set[str]:
    """Those whose rows may be changed. What this service said itself tells of rows that it has written already."""
    return {event.app_id for event in events if not isinstance(event, Recorded) and getattr(event, "app_id", None)}


async def _known(tx: Tx, event_ids: list[str]) -> set[str]:
    return set((await tx.connection.execute(_KNOWN, {"event_ids": event_ids})).scalars()) if event_ids else set()


def _row(heard: Heard, event_id: str, at: str, line: Line) -> dict[str, object]:
    return {
        "seq": heard.seq,
        "event_id": event_id,
        "type": line.type,
        "at": at,
        "app_id": line.app_id,
        "project_id": line.project_id,
        "deployment_id": line.deployment_id,
        "actor": heard.headers.get(log.HEADERS["actor"]) or None,
        "level": line.level,
        "message": line.message,
        "data": msgspec.json.encode(line.data).decode(),
    }
