"""What a disk's fill means, with the way back a little below each mark."""

import pytest

from libs.common.config import SettingError, load
from services.api.disks.levels import Level, Marks, level, news
from services.api.settings import Settings

MARKS = Marks(80, 95)
OK, HIGH, FULL = Level


@pytest.mark.parametrize(
    ("before", "percent", "after"),
    [
        (OK, 0, OK),
        (OK, 79.9, OK),
        (OK, 80, HIGH),
        (OK, 95, FULL),
        (HIGH, 94.9, HIGH),
        (HIGH, 78.1, HIGH),
        (HIGH, 78, OK),
        (FULL, 93.1, FULL),
        (FULL, 93, HIGH),
        (FULL, 79, HIGH),
        (FULL, 78, OK),
    ],
)
def test_levels(before: Level, percent: float, after: Level) -> None:
    assert level(before, percent, MARKS) is after


def test_marks_that_are_one() -> None:
    """High and full at the same mark, and at 100: no level is skipped on the way back for ever."""
    assert [level(FULL, percent, Marks(90, 90)) for percent in (90, 89, 88)] == [FULL, FULL, OK]
    assert [level(OK, percent, Marks(100, 100)) for percent in (99.9, 100)] == [OK, FULL]


def test_each_mark_is_told_of_once() -> None:
    told: list[str] = []
    now = OK
    for percent in (70, 81, 79, 81, 96, 94, 96, 92, 79, 77, 99, 10):
        before, now = now, level(now, percent, MARKS)
        told += news(before, now)
    high, full, room, ok = (f"system.disk_{name}" for name in ("high", "full", "room", "ok"))
    assert told == [high, full, room, ok, high, full, ok]


@pytest.mark.parametrize(("high", "full", "name"), [("96", "95", "HIGH"), ("0", "95", "HIGH"), ("80", "101", "FULL"), ("x", "95", "HIGH")])
def test_marks_that_do_not_fit(high: str, full: str, name: str) -> None:
    environ = {"DOCKUP_DISK_HIGH_PERCENT": high, "DOCKUP_DISK_FULL_PERCENT": full, "DOCKUP_SECRET_KEY": "A" * 43 + "="}
    environ |= dict.fromkeys(("DOCKUP_HOME", "DOCKUP_INSTANCE", "DOCKUP_NATS_URL", "DOCKUP_NATS_SETUP_URL"), "x")
    with pytest.raises(SettingError, match=f"DOCKUP_DISK_{name}_PERCENT"):
        load(Settings, environ)
