"""Keeps EVENTS and SQL's cursor of one mind: which stream the cursor counts in stands in SQL beside it.

A stream that is made anew begins behind the cursor. Whoever makes one holds the cursor's row meanwhile, so that no API process moves it
between the reading of the number and the making of the stream, nor afterwards with what it still had from the stream before.
"""

import asyncio
from typing import NamedTuple

from nats.js import JetStreamContext
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import streams, subjects
from libs.common.cancelling import heed
from services.api.db.database import Database
from services.api.db.locks import held
from services.api.db.tables import CursorRow, MetaRow
from services.api.events.models import EventRow

_LOCKED_SECONDS = 4.0
"""How long the cursor may be held while the bus is asked: other writers wait for it."""

_META = "events_stream"
_CURSOR = select(CursorRow.seq).where(CursorRow.name == subjects.EVENTS)
_STREAM = select(MetaRow.value).where(MetaRow.name == _META)
_PLACE = select(_CURSOR.scalar_subquery(), _STREAM.scalar_subquery(), select(func.max(EventRow.seq)).scalar_subquery())


class Place(NamedTuple):
    """How far EVENTS was read: up to `seq` of the stream whose identity is `stream`. None: of a time before that was noted."""

    seq: int
    stream: str | None
    newest: int

    @property
    def last(self) -> int:
        """The highest number that was ever used."""
        return max(self.seq, self.newest)


async def read_place(connection: AsyncConnection) -> Place:
    seq, stream, newest = (await connection.execute(_PLACE)).one()
    return Place(int(seq), stream, int(newest or 0))


async def read_stream(connection: AsyncConnection) -> str | None:
    """Return the identity of the stream in which the cursor counts. Ask after the cursor's row was written, for then it stays."""
    stream: str | None = (await connection.execute(_STREAM)).scalar_one_or_none()
    return stream


async def settle(db: Database, js: JetStreamContext) -> streams.Seen:
    """Return EVENTS; made, or made anew where its numbers would be taken for those of events that are read already."""
    async with db.connect() as connection:
        place = await read_place(connection)
    seen = await heed(streams.look(js, subjects.EVENTS))
    if seen is not None and seen.identity == place.stream and seen.last >= place.last:
        return seen
    async with asyncio.timeout(_LOCKED_SECONDS), db.begin() as tx:
        await tx.connection.execute(held(_CURSOR))
        seen = await _fitting(js, await read_place(tx.connection))
        await tx.session.merge(MetaRow(name=_META, value=seen.identity))
    return seen


async def _fitting(js: JetStreamContext, place: Place) -> streams.Seen:
    seen = await heed(streams.look(js, subjects.EVENTS))
    if seen is not None and _fits(seen, place):
        return seen
    if seen is not None:
        await heed(js.delete_stream(subjects.EVENTS))
    return await heed(streams.make_events(js, place.last + 1))


def _fits(seen: streams.Seen, place: Place) -> bool:
    """Whether whatever it holds beyond the cursor is unread, and nothing unread is before the cursor."""
    if place.stream in {None, seen.identity}:
        return seen.last >= place.last  # else the bus was put back to an older state
    return seen.first > place.last
