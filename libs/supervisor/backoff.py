"""How long to wait before a process that ended is started again."""

FIRST, LONGEST = 0.2, 10.0
STEADY = 30.0
"""Seconds up after which an end counts as the first one again."""


def failures_after(failures: int, seconds_up: float) -> int:
    return 1 if seconds_up >= STEADY else failures + 1


def pause(failures: int) -> float:
    """Seconds to wait after that many ends in a row: 0.2, 0.4, 0.8 … 10."""
    return min(FIRST * 2.0 ** min(failures - 1, 10), LONGEST)
