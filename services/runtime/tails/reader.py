"""One reader of an app's log: what is there, then what comes, no line twice and none left out between the two."""

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial

import msgspec

from libs.common.engine.errors import EngineAway
from libs.common.live.channel import Channel
from libs.common.messages.runtime import LogLine, LogsMissed, LogsQuery
from libs.common.messages.sessions import STOPPED, Ended
from services.runtime.answers import gather
from services.runtime.fleet import Fleet
from services.runtime.masks import Masks
from services.runtime.sessions import Kind, Refusal, Session
from services.runtime.spec import process_of
from services.runtime.tails.known import Known
from services.runtime.tails.ring import Batch, Cursor, Source
from services.runtime.tails.tail import Tail

MOST_READERS = 500
"""Of one app."""
_READY_SECONDS = 5.0
_PIECE = 32 * 1024
_AWAY = "The runtime does not know what runs: the Docker Engine does not answer. The app is not affected."

_encode = msgspec.json.Encoder().encode


def kind(fleet: Fleet) -> Kind:
    return Kind(open=partial(begin, fleet), most=MOST_READERS)


async def begin(fleet: Fleet, app_id: str, request: msgspec.Raw) -> Session:
    """`not_found` for a replica that nobody knows, `runtime_unavailable` while the engine is away."""
    query = msgspec.json.decode(request, type=LogsQuery)
    tail = fleet.world.tails.join(app_id)
    cursor = tail.ring.cursor(partial(wants, query))

    def leave() -> None:
        tail.ring.drop(cursor)
        fleet.world.tails.leave(app_id, tail)

    try:
        past = await _past(fleet, tail, cursor, query)
    except BaseException:
        leave()
        raise

    async def serve(channel: Channel) -> Ended:
        try:
            return await read(channel, cursor, query, past)
        finally:
            leave()

    return Session(serve=serve)


async def _past(fleet: Fleet, tail: Tail, cursor: Cursor, query: LogsQuery) -> list[LogLine]:
    """From where the cursor is left on everything comes, so that what is read then leaves no gap; what is read twice is known again."""
    app = fleet.apps.get(query.app_id)
    if fleet.lookout.trouble:
        raise Refusal("runtime_unavailable", _AWAY)
    if app is not None:
        tail.look(app.view.replicas.values(), app.masks)
    else:
        tail.look((), Masks())  # whatever comes is new
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await tail.ready()
        cursor.begin()
        found = await gather(fleet.world, app, query, whole=True)
    except (EngineAway, TimeoutError) as error:
        raise Refusal("runtime_unavailable", _AWAY) from error
    if found is None:
        raise Refusal("not_found", f"There is no replica {query.replica!r}.")
    return found


async def read(channel: Channel, cursor: Cursor, query: LogsQuery, past: list[LogLine]) -> Ended:
    """Speak until there is no more to say. Frames are lines of JSON, `LogLine` or `LogsMissed`."""
    known = Known(past, query.since)
    for body in packed(past[-query.tail :]):
        await channel.put(body)
    while (batch := await cursor.next()) is not None:
        if missed := cursor.take_missed():
            await channel.put(_encode(LogsMissed(lines=missed)))
        if body := _picked(batch, query, known):
            await channel.put(body)
    return Ended(reason=STOPPED, detail="another runtime has the app's containers now")


def _picked(batch: Batch, query: LogsQuery, known: Known) -> bytes:
    if not known.is_about(batch) and all(wants(query, source) for source in batch.counts):
        return batch.body
    return b"\n".join(entry.body for entry in batch.entries if wants(query, entry.source) and known.is_new(entry))


def wants(query: LogsQuery, source: Source) -> bool:
    is_of = query.process is None or query.process == process_of(source.replica)
    return is_of and query.replica in {None, source.replica} and query.stream in {None, source.stream}


def packed(lines: Iterable[LogLine]) -> Iterator[bytes]:
    """The lines as JSON, in pieces that a message has room for."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        body = _encode(line)
        if piece and size + len(body) > _PIECE:
            yield b"\n".join(piece)
            piece, size = [], 0
        piece.append(body)
        size += len(body) + 1
    if piece:
        yield b"\n".join(piece)
