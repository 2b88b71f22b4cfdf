"""Each observation says how full the disks are; the database keeps what that means, and the feed is told when it changes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import clock
from libs.common.disks import ENGINE, STATE, Disk
from libs.common.messages.metrics import Observation
from services.api.db.tables import MetaRow
from services.api.db.tx import Tx
from services.api.disks.levels import Level, Marks, level, news

_NAMES = {STATE: "disk.state", ENGINE: "disk.engine"}
_READ = select(MetaRow.name, MetaRow.value).where(MetaRow.name.in_(_NAMES.values()))
_STALE_INTERVALS = 3
_GIGABYTE = 1024**3
_SEVERITY = {"system.disk_high": "warning", "system.disk_full": "error", "system.disk_room": "info", "system.disk_ok": "info"}
_WORDS = {
    "system.disk_high": "Free some space: at {full:g} % new work is refused.",
    "system.disk_full": "New deploys, uploads and apps are refused until there is room; what runs goes on.",
    "system.disk_room": "New work is taken again.",
    "system.disk_ok": "There is room again.",
}
_PLACES = {STATE: "the state folder", ENGINE: "the Docker Engine"}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the last observation said of one disk. `until`: later than that it tells nothing."""

    level: Level
    places: tuple[str, ...]
    percent: float
    free_bytes: int
    until: str

    @property
    def is_fresh(self) -> bool:
        return clock.parse(self.until) > datetime.now(UTC)


async def read(connection: AsyncConnection) -> dict[str, Known]:
    """By the first place of each."""
    found = {row.name: row.value for row in await connection.execute(_READ)}
    return {place: msgspec.json.decode(found[name], type=Known) for place, name in _NAMES.items() if name in found}


async def note(tx: Tx, seen: Observation, marks: Marks) -> None:
    """Keep what was seen. An observation without disks, of a service that cannot reach them, changes nothing."""
    if not seen.disks:
        return
    before = await read(tx.connection)
    until = clock.rfc3339(datetime.now(UTC) + timedelta(seconds=_STALE_INTERVALS * seen.interval_seconds))
    rows = []
    for disk in seen.disks:
        place = disk.places[0]
        was = before[place].level if place in before else Level.OK
        now = level(was, disk.used_percent, marks)
        for kind in news(was, now):
            _tell(tx, kind, disk, marks)
        known = Known(level=now, places=disk.places, percent=disk.used_percent, free_bytes=disk.free_bytes, until=until)
        rows.append({"name": _NAMES[place], "value": msgspec.json.encode(known).decode()})
    await tx.connection.execute(delete(MetaRow).where(MetaRow.name.in_(_names(seen, rows))))
    await tx.connection.execute(insert(MetaRow), rows)


def _names(seen: Observation, rows: Sequence[dict[str, str]]) -> list[str]:
    """Rows to replace: all, unless the engine, whose folder nobody can name while it is away, was not asked."""
    return list(_NAMES.values()) if seen.engine_ok else [row["name"] for row in rows]


def _tell(tx: Tx, kind: str, disk: Disk, marks: Marks) -> None:
    places = " and ".join(_PLACES[place] for place in disk.places)
    message = f"The disk of {places} is {disk.used_percent:g} % full, {disk.free_bytes / _GIGABYTE:.1f} GB are free."
    data = {"places": disk.places, "path": disk.path, "used_percent": disk.used_percent, "free_bytes": disk.free_bytes}
    tx.record(kind, f"{message} {_WORDS[kind].format(full=marks.full)}", level=_SEVERITY[kind], data=data)
