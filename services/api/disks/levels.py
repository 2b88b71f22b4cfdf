"""From how full a disk is to what that means, and which events tell of it."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

BACK = 2.0
"""Points that a disk must fall under a mark before it counts as under it: a disk that hovers there is not news each time."""


class Level(StrEnum):
    """`high`: people are told. `full`: new work is refused."""

    OK = "ok"
    HIGH = "high"
    FULL = "full"


class Marks(msgspec.Struct, frozen=True):
    """In percent."""

    high: float
    full: float


def level(before: Level, percent: float, marks: Marks) -> Level:
    """What a disk is that was `before`."""
    if percent >= marks.full or (before is Level.FULL and percent > marks.full - BACK):
        return Level.FULL
    if percent >= marks.high or (before is not Level.OK and percent > marks.high - BACK):
        return Level.HIGH
    return Level.OK


def news(before: Level, after: Level) -> Sequence[str]:
    """Event types of going from one level to another: one for each mark that was crossed upwards, one for going back."""
    told = {
        (Level.OK, Level.HIGH): ("system.disk_high",),
        (Level.OK, Level.FULL): ("system.disk_high", "system.disk_full"),
        (Level.HIGH, Level.FULL): ("system.disk_full",),
        (Level.FULL, Level.HIGH): ("system.disk_room",),
        (Level.FULL, Level.OK): ("system.disk_ok",),
        (Level.HIGH, Level.OK): ("system.disk_ok",),
    }
    return told.get((before, after), ())
