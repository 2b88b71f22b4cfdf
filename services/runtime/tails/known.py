"""What a reader has got of each replica before it listens, so that the seam has no line twice. Pure."""

from collections import Counter
from collections.abc import Iterable

from libs.common import clock
from libs.common.messages.runtime import LogLine
from services.runtime.tails.ring import Batch, Entry

_DECIMALS = 9


class Known:
    """`lines` are all that were read, oldest first, whether or not the reader gets them. Lines before `since` are as good as known."""

    def __init__(self, lines: Iterable[LogLine], since: str | None) -> None:
        self._since = precise(since) if since else ""
        self._oldest: dict[str, str] = {}
        self._newest: dict[str, str] = {}
        self._left: Counter[tuple[str, str, str]] = Counter()
        self._settled: set[str] = set()
        for line in lines:
            self._oldest.setdefault(line.replica, line.at)
            self._newest[line.replica] = max(line.at, self._newest.get(line.replica, ""))
            self._left[line.replica, line.stream, line.at] += 1

    def is_about(self, batch: Batch) -> bool:
        """Whether there may be such lines in it."""
        return any(source.replica not in self._settled for source in batch.counts)

    def is_new(self, entry: Entry) -> bool:
        replica, stream = entry.source
        if replica in self._settled:
            return True
        if entry.at > self._newest.get(replica, self._since):
            self._settled.add(replica)  # what comes further on stands behind all that was read of its file
            return True
        key = (replica, stream, entry.at)
        if self._left[key]:
            self._left[key] -= 1
            return False
        return entry.at >= max(self._since, self._oldest.get(replica, ""))


def precise(at: str) -> str:
    """As the engine writes its times, to the nanosecond, so that the two compare as texts."""
    digits = at.partition(".")[2]
    decimals = digits[: len(digits) - len(digits.lstrip("0123456789"))][:_DECIMALS]
    return f"{clock.parse(at):%Y-%m-%dT%H:%M:%S}.{decimals:0<{_DECIMALS}}Z"
