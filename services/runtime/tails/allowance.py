"""How much of a processor the reading of logs may take: an app that writes more than can be read must not slow anything else. Pure."""

from collections.abc import Callable
from time import monotonic

SHARE_OF_APP, SHARE_OF_ALL = 0.35, 0.6
"""Of one core: for one app, and for all of them together."""
_SAVED_SECONDS = 2.0
"""A burst may use what was not used in as many seconds before."""


class Allowance:
    """`share` of a core's time, saved up for a while. What is spent of it is spent of `above` too."""

    def __init__(self, share: float, above: "Allowance | None" = None, clock: Callable[[], float] = monotonic) -> None:
        self._share = share
        self._above = above
        self._clock = clock
        self._left = self._most = share * _SAVED_SECONDS
        self._at = clock()

    def has_left(self) -> bool:
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._share)
        self._at = now
        return self._left > 0 and (self._above is None or self._above.has_left())

    def spend(self, seconds: float) -> None:
        self._left -= seconds
        if self._above is not None:
            self._above.spend(seconds)
