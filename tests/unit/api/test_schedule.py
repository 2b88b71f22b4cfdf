"""When jobs are due, over the changes of the clocks too."""

from datetime import datetime

import pytest

from services.api.http.problems import Problem
from services.api.jobs.schedule import next_after

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "due"),
    [
        ("* * * * *", "UTC", "2026-01-31T09:30:00+00:00", "2026-01-31T09:31:00+00:00"),
        ("*/15 9-17 * * MON-FRI", "UTC", "2026-01-30T17:50:00+00:00", "2026-02-02T09:00:00+00:00"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
        ("30 4 * * *", BERLIN, "2026-01-31T04:29:59+01:00", "2026-01-31T04:30:00+01:00"),
        # 02:00 to 03:00 does not come: what is due in it is due at its end.
        ("30 2 * * *", BERLIN, "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"),
        ("30 2 * * *", BERLIN, "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"),
        # 02:00 to 03:00 comes twice: what is due in it is due once, what is due each hour twice.
        ("30 2 * * *", BERLIN, "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"),
        ("30 * * * *", BERLIN, "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_the_next_tick(schedule: str, zone: str, now: str, due: str) -> None:
    found = next_after(schedule, zone, datetime.fromisoformat(now).timestamp())
    assert found == datetime.fromisoformat(due).timestamp()


@pytest.mark.parametrize(
    ("schedule", "zone", "pointer"),
    [
        ("* * * *", "UTC", "/schedule"),
        ("0 * * * * *", "UTC", "/schedule"),
        ("61 * * * *", "UTC", "/schedule"),
        ("@daily", "UTC", "/schedule"),
        ("0 0 30 2 *", "UTC", "/schedule"),
        ("* * * * *", "Europe/Nowhere", "/time_zone"),
        ("* * * * *", "../etc/passwd", "/time_zone"),
        ("* * * * *", "Europe", "/time_zone"),
    ],
)
def test_what_is_none(schedule: str, zone: str, pointer: str) -> None:
    with pytest.raises(Problem) as refused:
        next_after(schedule, zone, 0.0)
    assert [error.pointer for error in refused.value.errors] == [pointer]
