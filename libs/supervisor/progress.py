"""Lines that say what `up` is doing and how long it took. On a terminal and in a log alike: one line an event, nothing redrawn."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

_WORTH_SAYING = 0.5


class Progress:
    def say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def waiting_for(self, names: list[str]) -> None:
        if names:
            self.say(f"  waiting for {', '.join(names)}")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, and its time when it took any."""
        self.say(f"• {name}")
        start = monotonic()
        yield
        if (took := monotonic() - start) >= _WORTH_SAYING:
            self.say(f"  {took:.1f} s")
