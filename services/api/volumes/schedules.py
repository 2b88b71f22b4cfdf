"""When a volume is backed up: merged, kept, and shown. Pure but for the row."""

from datetime import UTC, datetime

import msgspec

from libs.common import clock
from services.api.http.problems import Problem, invalid
from services.api.jobs.schedule import next_after
from services.api.volumes.backups import Done
from services.api.volumes.models import VolumeRow
from services.api.volumes.schemas import BackupBody, BackupView, Schedule

_schedule = msgspec.json.Decoder(Schedule)
_done = msgspec.json.Decoder(Done)


def of(row: VolumeRow) -> BackupView | None:
    if row.backup is None:
        return None
    schedule = _schedule.decode(row.backup)
    return BackupView(
        schedule=schedule.schedule,
        time_zone=schedule.time_zone,
        keep=schedule.keep,
        next_at=clock.rfc3339(datetime.fromtimestamp(row.backup_at, UTC)) if row.backup_at is not None else None,
    )


def last_of(row: VolumeRow) -> Done | None:
    """How the last backup ended, asked for or by the clock."""
    return _done.decode(row.backup_last) if row.backup_last else None


def ask(row: VolumeRow, now: float) -> None:
    """Have one made at once; a schedule goes on as it is."""
    row.backup_at = min(now, row.backup_at or now)


def merge(row: VolumeRow, body: BackupBody | msgspec.UnsetType | None, now: float) -> list[str]:
    """Change the row; null ends it, and keeps the backups that are there. `400` for what is no schedule. `now` is Unix time."""
    if isinstance(body, msgspec.UnsetType):
        return []
    before = row.backup
    if body is None:
        row.backup = row.backup_at = None
        return ["backup"] if before is not None else []
    wanted = Schedule(schedule=body.schedule, time_zone=body.time_zone, keep=body.keep)
    after = msgspec.json.encode(wanted).decode()
    if after == before:
        return []
    row.backup, row.backup_at = after, next_of(wanted, now)
    return ["backup"]


def next_of(schedule: Schedule, now: float) -> float:
    """Unix time at which the next backup after `now` is due."""
    try:
        return next_after(schedule.schedule, schedule.time_zone, now)
    except Problem as problem:
        (error,) = problem.errors
        raise invalid(f"/backup{error.pointer}", error.detail) from problem
