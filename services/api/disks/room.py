"""Whether there is room for new work: the gate in front of it, and what `GET /system/status` shows."""

from time import monotonic
from typing import Any

from litestar import Request
from sqlalchemy.exc import SQLAlchemyError

from libs.common import disks
from libs.common.disks import ENGINE, STATE
from services.api.db.database import Database
from services.api.disks.levels import Level, Marks, level
from services.api.disks.watch import Known, read
from services.api.http.problems import Problem
from services.api.settings import Settings
from services.api.system.schemas import DiskStatus

ROOM = "takes_room"
"""`opt={ROOM: True}` on a route that brings new work."""
_KEPT_SECONDS = 2.0


class Room:
    """The state folder is looked at here and now; what is said of the engine's comes from the metrics service, by the database."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._home = settings.home
        self._db = db
        self.marks = Marks(settings.disk_high_percent, settings.disk_full_percent)
        self._said: dict[str, Known] = {}
        self._until = 0.0

    async def check(self) -> None:
        """`507 disk_full` while a disk is."""
        for disk in await self.look():
            if disk.status is Level.FULL:
                places = " and ".join(disk.places)
                room = f"{disk.used_percent:g} % full, {disk.free_bytes // 1024**2} MB are free"
                raise Problem("disk_full", f"The disk ({places}) is {room}: no new work is taken.")

    async def look(self) -> list[DiskStatus]:
        """Each disk that is known."""
        said = {place: known for place, known in (await self._read()).items() if known.is_fresh}
        here = disks.measure(STATE, self._home)
        found: list[DiskStatus] = []
        if here:
            known = said.get(STATE)
            now = level(known.level if known else Level.OK, here.used_percent, self.marks)
            found.append(_status(now, known.places if known else here.places, here.used_percent, here.free_bytes))
        if ENGINE in said:
            other = said[ENGINE]
            found.append(_status(other.level, other.places, other.percent, other.free_bytes))
        return found

    async def _read(self) -> dict[str, Known]:
        """What the database keeps, a moment old at the most: it changes with each observation alone."""
        if monotonic() >= self._until:
            async with self._db.connect() as connection:
                self._said = await read(connection)
            self._until = monotonic() + _KEPT_SECONDS
        return self._said

    async def show(self) -> list[DiskStatus]:
        """As `look`; empty while the database does not answer."""
        try:
            return await self.look()
        except (SQLAlchemyError, OSError):
            return []


def _status(now: Level, places: tuple[str, ...], percent: float, free: int) -> DiskStatus:
    return DiskStatus(places=list(places), status=now, used_percent=percent, free_bytes=free)


async def refuse(request: Request[Any, Any, Any]) -> None:
    """Before every request: `507 disk_full` for what brings new work while there is no room for it."""
    if request.scope["route_handler"].opt.get(ROOM):
        await request.app.state.core.room.check()
