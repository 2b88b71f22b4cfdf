"""Two clocks: the wall's, and one that stands still while the engine does not answer."""

from datetime import UTC, datetime
from time import monotonic

import msgspec


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """`wall` for what others read; `engine` in seconds for limits of time: an engine that is away makes nobody late."""

    wall: datetime
    engine: float


class EngineClock:
    """Monotonic seconds without those in which the engine was away."""

    def __init__(self) -> None:
        self._away_since: float | None = None
        self._lost = 0.0

    @property
    def away(self) -> bool:
        return self._away_since is not None

    def stop(self) -> None:
        """The engine does not answer."""
        if self._away_since is None:
            self._away_since = monotonic()

    def go(self) -> None:
        """The engine answers again."""
        if self._away_since is not None:
            self._lost += monotonic() - self._away_since
            self._away_since = None

    def seconds(self) -> float:
        return (self._away_since or monotonic()) - self._lost

    def now(self) -> Now:
        return Now(wall=datetime.now(UTC), engine=self.seconds())
