"""How often DNS is asked about a domain. Pure."""

_FIRST = 10.0
_LONGEST = 3_600.0
_SELDOM = 6 * 3_600.0
_GROWTH = 1.5
_MOST_STEPS = 20


def until_next(checks: int, *, verified: bool) -> float:
    """Seconds until the next look, after so many that found it unverified: often while somebody may be waiting, later hourly."""
    return _SELDOM if verified else min(_LONGEST, _FIRST * _GROWTH ** min(checks, _MOST_STEPS))
