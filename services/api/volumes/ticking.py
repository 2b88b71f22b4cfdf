"""Makes the backups that are due. Any API process may: whoever moves `backup_at` on does it, and moves it on until it is done."""

import asyncio
import time
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy import select, update

from libs.common import clock
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.recovery.mode import needed
from services.api.volumes import backups, schedules, service
from services.api.volumes.archive import Cut
from services.api.volumes.backups import Done
from services.api.volumes.models import VolumeRow
from services.api.volumes.schemas import Schedule

_TICK = 1.0
_AT_ONCE = 2
_HELD_SECONDS = 60.0
"""How long a backup is one process's own, unless it says so again."""
_AGAIN = 15.0
_MISSED, _CUT = 60.0, 900.0
"""In how many seconds one by the clock is tried again that the runtime was not there for, or went away from."""
_LATER = 86_400.0
_schedule = msgspec.json.Decoder(Schedule)

logger = structlog.get_logger()


class _Outcome(NamedTuple):
    """`done` is None where there is no place for it now. `again`: one by the clock is worth another try in so many seconds."""

    done: Done | None
    again: float | None = None


async def run(core: Core) -> None:
    """Until cancelled. One volume never holds up another for longer than it is being read."""
    under_way: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                if len(under_way) < _AT_ONCE:
                    for row in await _taken(core, _AT_ONCE - len(under_way)):
                        task = asyncio.create_task(_back_up(core, row))
                        under_way.add(task)
                        task.add_done_callback(under_way.discard)
            except Exception as error:  # the database may be away
                logger.warning("backups.tick_failed", error=str(error) or type(error).__name__, exc_info=True)
            await asyncio.sleep(_TICK)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _taken(core: Core, most: int) -> list[VolumeRow]:
    """What is due, and is ours to do for as long as we say so: what a process left that was killed in the middle is due again."""
    query = select(VolumeRow).where(VolumeRow.backup_at <= time.time()).order_by(VolumeRow.backup_at).limit(most)
    async with core.db.connect() as connection:
        if (await connection.execute(query.with_only_columns(VolumeRow.id))).first() is None or await needed(connection) is not None:
            return []
    async with core.db.read() as session:
        due = list((await session.execute(query)).scalars())
    return [row for row in due if await _hold(core, row)]


async def _hold(core: Core, row: VolumeRow) -> bool:
    """Whether nobody else has it, nor wants something else of it; `row.backup_at` is then what stands in the table."""
    until = time.time() + _HELD_SECONDS
    held = await _move(core, row, until)
    if held:
        row.backup_at = until
    return held


async def _move(core: Core, row: VolumeRow, to: float | None) -> bool:
    async with core.db.begin() as tx:
        return await _moved(tx, row, to)


async def _moved(tx: Tx, row: VolumeRow, to: float | None) -> bool:
    moved = update(VolumeRow).where(VolumeRow.id == row.id, VolumeRow.backup_at == row.backup_at).values(backup_at=to)
    return (await tx.connection.execute(moved)).rowcount == 1


async def _back_up(core: Core, row: VolumeRow) -> None:
    """Make it and say so. What else may go wrong leaves it held: it is due again when that is over."""
    over = asyncio.Event()
    holding = asyncio.create_task(_keep_hold(core, row, over))
    try:
        outcome = await _made(core, row)
        over.set()
        await holding
        if outcome.done is None:
            await _move(core, row, time.time() + _AGAIN)
        else:
            await _note(core, row, outcome.done, outcome.again)
    except Exception as error:  # the database may be away
        logger.warning("backup.failed", volume=row.id, error=str(error) or type(error).__name__, exc_info=True)
    finally:
        holding.cancel()


async def _made(core: Core, row: VolumeRow) -> _Outcome:
    place = backups.folder(core.settings.home, row)
    try:
        await core.room.check()
        await asyncio.to_thread(backups.clear, place)
        made = await backups.make(core, row)
        if row.backup:
            await asyncio.to_thread(backups.prune, place, _schedule.decode(row.backup).keep)
    except Problem as problem:
        if problem.code == "too_many_sessions":
            return _Outcome(None)
        return _Outcome(Done(at=clock.now(), error=problem.detail), _MISSED if problem.code == "runtime_unavailable" else None)
    except (Cut, OSError) as error:
        return _Outcome(Done(at=clock.now(), error=str(error)), _CUT if isinstance(error, Cut) else None)
    return _Outcome(Done(at=made.at, name=made.name, size_bytes=made.size_bytes))


async def _keep_hold(core: Core, row: VolumeRow, over: asyncio.Event) -> None:
    while not over.is_set():
        try:
            async with asyncio.timeout(_HELD_SECONDS / 3):
                await over.wait()
        except TimeoutError:
            await _hold_on(core, row)


async def _hold_on(core: Core, row: VolumeRow) -> None:
    try:
        await _hold(core, row)
    except Exception as error:  # the database may be away
        logger.warning("backup.not_held", volume=row.id, error=str(error) or type(error).__name__, exc_info=True)


async def until_noted(core: Core, volume_id: str, before: str, seconds: float) -> bool:
    """Whether another backup than `before` had ended within `seconds`."""

    async def ended() -> bool | None:
        async with core.db.connect() as connection:
            last = (await connection.execute(select(VolumeRow.backup_last).where(VolumeRow.id == volume_id))).scalar_one_or_none()
        return True if (last or "") != before else None

    return bool(await core.wakes.until(volume_id, seconds, ended))


async def _note(core: Core, row: VolumeRow, done: Done, again: float | None) -> None:
    """Keep how it ended, and say so, of tries in vain once. It is due next by its schedule, unless somebody asked for something else."""
    async with core.db.begin() as tx:
        await _moved(tx, row, _next(row, again))
        now = await tx.session.get(VolumeRow, row.id)
        if now is None:
            return
        before = schedules.last_of(now)
        now.backup_last = msgspec.json.encode(done).decode()
        if again is not None and before is not None and before.error == done.error:
            return
        if done.error:
            message = f"The volume {now.name} could not be backed up: {done.error}"
            service.record(tx, now, "volume.backup_failed", message, level="error")
        else:
            service.record(tx, now, "volume.backed_up", f"The volume {now.name} was backed up: {done.name}, {done.size_bytes} bytes.")


def _next(row: VolumeRow, again: float | None) -> float | None:
    """From now, not from what was due: after an hour without us, or without the runtime, one is made."""
    if row.backup is None:
        return None
    try:
        due = schedules.next_of(_schedule.decode(row.backup), time.time())
        return due if again is None else min(due, time.time() + again)
    except Problem as problem:  # a zone that this machine does not know
        logger.warning("backup.not_scheduled", volume=row.id, error=problem.detail)
        return time.time() + _LATER
