"""How fine the history is kept, and how fine it is shown."""

import math

import msgspec

from libs.common.messages.metrics import MOST_POINTS

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """Points of `step` seconds, kept for `keep` seconds."""

    table: str
    step: int
    keep: int


RAW = Level(table="raw", step=30, keep=_DAY)
MIDDLE = Level(table="middle", step=5 * _MINUTE, keep=30 * _DAY)
COARSE = Level(table="coarse", step=_HOUR, keep=365 * _DAY)
LEVELS = (RAW, MIDDLE, COARSE)

_SHOWN = ((30, RAW), (300, MIDDLE), (1_800, MIDDLE), (_HOUR, COARSE), (6 * _HOUR, COARSE), (12 * _HOUR, COARSE))
"""Intervals that a page may have, each made of whole points of a level."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A page: intervals of `interval` seconds from `start` to `end`, out of `level`. All in whole seconds of Unix time."""

    level: Level
    interval: int
    start: int
    end: int


def choose(minutes: int, sync_seconds: float, now: float) -> Window:
    """The finest page of the last `minutes` that has at most 1,000 points; none finer than what is measured."""
    span = minutes * _MINUTE
    interval, level = next(
        (interval, level)
        for interval, level in _SHOWN
        if (math.ceil(span / interval) <= MOST_POINTS and span <= level.keep and interval >= sync_seconds) or interval == _SHOWN[-1][0]
    )
    end = (math.floor(now / interval) + 1) * interval
    return Window(level=level, interval=interval, start=end - math.ceil(span / interval) * interval, end=end)
