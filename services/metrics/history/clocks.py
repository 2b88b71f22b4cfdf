"""Whether the machine's clock can be believed when it says that something is old. Pure, but for the memory of the last look."""

_STEP = 60.0
"""Seconds that it may differ from the monotonic one between two looks: more, and somebody set it."""
_SOUND = 900.0


class Clock:
    """A machine that boots with a wrong clock, or whose clock is set to next year and back, must not lose a year of history by it."""

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._since = 0.0

    def is_sound(self, wall: float, now: float) -> bool:
        """Whether it went as the monotonic one, `now`, for a quarter of an hour; `wall` in Unix time."""
        ahead = wall - now
        if self._ahead is None or abs(ahead - self._ahead) > _STEP:
            self._since = now
        self._ahead = ahead
        return now - self._since >= _SOUND
