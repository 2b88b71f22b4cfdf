"""Lines of one container with its app's secrets masked, also those that go over the end of a line or of what was read at once."""

from collections import deque
from collections.abc import Iterable

import msgspec

from libs.common import bounds
from libs.common.engine.demux import MOST_LINE, Line
from libs.common.engine.logs import STREAMS
from libs.common.masking import Lines
from libs.common.messages.runtime import LogLine
from services.runtime.masks import Masks
from services.runtime.tails.ring import Entry, Source

_encode = msgspec.json.Encoder().encode


class _Stream:
    def __init__(self, source: Source, masks: Masks) -> None:
        self._source = source
        self._masks = masks
        self._lines = Lines(masks.masker)
        self._waiting: deque[Line] = deque()

    @property
    def holds(self) -> bool:
        return bool(self._waiting)

    def take(self, lines: list[Line]) -> list[Entry]:
        self._lines.masker = self._masks.masker
        self._waiting.extend(lines)
        return self._made(self._lines.take(*(line.message for line in lines)))

    def end(self) -> list[Entry]:
        return self._made(self._lines.end()) if self._waiting else []

    def _made(self, messages: Iterable[str]) -> list[Entry]:
        return [self._entry(self._waiting.popleft(), message) for message in messages]

    def _entry(self, line: Line, message: str) -> Entry:
        replica, stream = self._source
        text = bounds.cut(message, MOST_LINE) + (f" … [{line.cut} bytes cut]" if line.cut else "")
        return Entry(line.at, self._source, _encode(LogLine(at=line.at, stream=stream, replica=replica, message=text)))


class Hiding:
    """`take` gives what may be shown; what ends with the beginning of a secret is held until the next line, or until `end`."""

    def __init__(self, replica: str, masks: Masks) -> None:
        self._streams = {stream: _Stream(Source(replica, stream), masks) for stream in STREAMS}

    @property
    def holds(self) -> bool:
        return any(stream.holds for stream in self._streams.values())

    def take(self, lines: list[Line]) -> list[Entry]:
        found: list[Entry] = []
        for name, stream in self._streams.items():
            if mine := [line for line in lines if line.stream == name]:
                found += stream.take(mine)
        return found

    def end(self) -> list[Entry]:
        """No line follows for now."""
        return [entry for stream in self._streams.values() for entry in stream.end()]
