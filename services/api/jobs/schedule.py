"""When a job is due: cron's five fields in a time zone. Pure."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from services.api.http.problems import invalid

_FIELDS = 5


def next_after(schedule: str, time_zone: str, now: float) -> float:
    """Unix time of the next tick after `now`; `400` for what is no schedule, no zone, or never due.

    By the wall of the zone, as Debian's cron has it: what a change of the clocks skips is due right after it, what it repeats is due once.
    """
    zone = _zone(time_zone)
    return next(_ticks(schedule, datetime.fromtimestamp(now, UTC).astimezone(zone))).timestamp()


def _ticks(schedule: str, after: datetime) -> Iterator[datetime]:
    if len(schedule.split()) != _FIELDS:
        raise invalid("/schedule", "takes five fields: minute, hour, day of the month, month, day of the week")
    try:
        yield from CronSim(schedule, after)
    except CronSimError as error:
        raise invalid("/schedule", f"is no cron expression: {error}") from error
    raise invalid("/schedule", "is never due")


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid("/time_zone", "is no time zone, such as UTC or Europe/Berlin") from error
