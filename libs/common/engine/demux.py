"""Takes the engine's stream of a container's log apart: lines, each once, or only their number. Pure.

The engine may tell lines again: from the begin of a file that it has just turned over, or where a stream is taken up again.
"""

import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

_NAMES = {1: "stdout", 2: "stderr"}
MOST_LINE = 64_000

_HEADER = struct.Struct(">BxxxL")
_KNOWN = 8_192
_AT = 30
"""Characters of the engine's time of a line: nine decimals, UTC, so that times compare as texts."""
_STEPPED_BACK_SECONDS = 3.0
"""When nothing but lines older than all that is known comes for as long, the clock was put back: they are no lines from before."""


class Line(NamedTuple):
    """`at` is the engine's RFC 3339 time; `message` has no line end; `cut` is how many bytes of it were left out."""

    at: str
    stream: str
    message: str
    cut: int = 0


class _Source:
    """What is known of one of the two streams: a single writer wrote it, so its times rise."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.newest = b""
        self._clock = clock
        self._older_since: float | None = None
        self._known: list[bytes] = []
        self.open_at = b""
        self.open: list[bytes] = []
        self.open_size = 0

    def is_new(self, at: bytes) -> bool:
        if at > self.newest:
            self.newest = at
            self._older_since = None
            self._known.append(at)
            if len(self._known) > 2 * _KNOWN:
                del self._known[:-_KNOWN]
            return True
        return self._is_out_of_turn(at)

    def _is_out_of_turn(self, at: bytes) -> bool:
        known = self._known
        place = bisect_left(known, at)
        if place < len(known) and known[place] == at:
            return False
        if place == 0 and self._is_told_again():
            return False
        known.insert(place, at)
        return True

    def _is_told_again(self) -> bool:
        now = self._clock()
        if self._older_since is None:
            self._older_since = now
        return now - self._older_since < _STEPPED_BACK_SECONDS

    def forget_open(self) -> None:
        self.open, self.open_size, self.open_at = [], 0, b""


class Demux:
    """`newest` is the time of the newest line that came, empty before the first."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._rest = b""
        self._sources = {number: _Source(clock) for number in _NAMES}

    @property
    def newest(self) -> str:
        return max(source.newest for source in self._sources.values()).decode("ascii", "replace")

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that end in this chunk and did not come before."""
        found: list[Line] = []
        for number, entry in self._entries(chunk):
            source = self._sources.get(number) or self._sources[1]
            at, text = entry[:_AT], entry[_AT + 1 :]
            if source.open:
                self._go_on(source, number, at, text, found)
            elif not text.endswith(b"\n"):
                _open(source, at, text)
            elif source.is_new(at):
                found.append(_line(at, number, text[:-1]))
        return found

    def skip(self, chunk: bytes) -> Counter[str]:
        """As `feed`, but only how many lines they are, by stream."""
        found: Counter[str] = Counter()
        for number, entry in self._entries(chunk):
            source = self._sources.get(number) or self._sources[1]
            source.forget_open()
            if entry.endswith(b"\n") and (at := entry[:_AT]) > source.newest:
                source.is_new(at)
                found[_NAMES.get(number, "stdout")] += 1
        return found

    def end(self) -> list[Line]:
        """The stream has come to its end: lines that were begun have no more than they have. It may be taken up again."""
        self._rest = b""
        found: list[Line] = []
        for number, source in self._sources.items():
            if source.open and source.is_new(source.open_at):
                found.append(_whole(source, number))
            source.forget_open()
        return found

    def _entries(self, chunk: bytes) -> list[tuple[int, bytes]]:
        buffer = self._rest + chunk
        found, at, size = [], 0, len(buffer)
        while size - at >= _HEADER.size:
            number, length = _HEADER.unpack_from(buffer, at)
            end = at + _HEADER.size + length
            if end > size:
                break
            found.append((number, buffer[at + _HEADER.size : end]))
            at = end
        self._rest = buffer[at:]
        return found

    def _go_on(self, source: _Source, number: int, at: bytes, text: bytes, found: list[Line]) -> None:
        """A line that is longer than the engine's 16 KB comes in pieces of one time; only the last has a line end."""
        if at < source.open_at:
            source.forget_open()  # it is told again, from further back
        if not text.endswith(b"\n"):
            _open(source, at, text)
            return
        if not source.open:
            if source.is_new(at):
                found.append(_line(at, number, text[:-1]))
            return
        _open(source, at, text[:-1])
        if source.is_new(source.open_at):
            found.append(_whole(source, number))
        source.forget_open()


def _open(source: _Source, at: bytes, text: bytes) -> None:
    if not source.open:
        source.open_at = at
    kept = text[: max(0, MOST_LINE - source.open_size)]
    source.open.append(kept)
    source.open_size += len(text)


def _whole(source: _Source, number: int) -> Line:
    text = b"".join(source.open)
    return _line(source.open_at, number, text, source.open_size - len(text))


def _line(at: bytes, number: int, text: bytes, cut: int = 0) -> Line:
    return Line(at.decode("ascii", "replace"), _NAMES.get(number, "stdout"), text.decode("utf-8", "replace").rstrip("\r"), cut)
