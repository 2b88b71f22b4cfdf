"""How often a replica died, and how long its next start waits. Pure."""

import msgspec

_STABLE_SECONDS = 60.0
_LONGEST_PAUSE = 60.0
_LOOP_DEATHS = 5
_LOOP_SECONDS = 120.0


class Deaths(msgspec.Struct, frozen=True, kw_only=True):
    """Deaths in a row of one place: at once the first time, then 1, 2, 4 … 60 seconds; a minute of life ends the row.

    `times` are those of the last two minutes. `looping` says that this row has been called a crash loop.
    """

    row: int = 0
    times: tuple[float, ...] = ()
    retry_at: float = 0.0
    looping: bool = False

    def another(self, now: float, up_since: float | None) -> "Deaths":
        stable = up_since is not None and now - up_since >= _STABLE_SECONDS
        row = 1 if stable else self.row + 1
        times = (*(time for time in self.times if now - time < _LOOP_SECONDS), now)
        return Deaths(row=row, times=times, retry_at=now + pause(row), looping=self.looping and not stable)

    @property
    def loops(self) -> bool:
        return len(self.times) >= _LOOP_DEATHS


def pause(row: int) -> float:
    """Return the seconds that the start after the `row`th death waits."""
    return 0.0 if row <= 1 else min(2.0 ** (row - 2), _LONGEST_PAUSE)
