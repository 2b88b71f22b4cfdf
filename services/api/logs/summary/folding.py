"""Lines that belong together, and messages that differ in figures alone. Pure."""

import re
from collections.abc import Iterable

import msgspec

from libs.common.messages.runtime import LogLine
from services.api.logs.summary.levels import Level, level_of

_GOES_ON = re.compile(r"^(?:\s+\S|Caused by:|\.\.\. \d+ more|goroutine \d+|\}|\)$)")
"""A line that belongs to the one before it: of a stack trace, an indented object."""
_TRACEBACK = "Traceback (most recent call last)"
_MOST_IN_EVENT = 200
_FIGURES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}|\b\d\d:\d\d:\d\d(?:[.,]\d+)?"), "<time>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"), "<hex>"),
    (re.compile(r"\d+(?:\.\d+)?"), "<n>"),
)


class Event(msgspec.Struct):
    """One thing that a replica said, in one line or in several."""

    level: Level
    first: LogLine
    texts: list[str]
    lines: int = 1
    is_traceback: bool = False


def events(lines: Iterable[LogLine]) -> list[Event]:
    """In the order of their first lines. The lines of a stack trace are one event; those of replicas and streams are kept apart."""
    found: list[Event] = []
    open_events: dict[tuple[str, str], Event] = {}
    for line in lines:
        source = (line.replica, line.stream)
        event = open_events.get(source)
        if event is not None and event.lines < _MOST_IN_EVENT and _belongs(event, line.message):
            _add(event, line.message)
            continue
        event = Event(level_of(line.message), line, [line.message], is_traceback=line.message.startswith(_TRACEBACK))
        open_events[source] = event
        found.append(event)
    return found


def _belongs(event: Event, message: str) -> bool:
    # A traceback's last line, which says what it is about, is not indented.
    return _GOES_ON.match(message) is not None or (event.is_traceback and bool(message))


def _add(event: Event, message: str) -> None:
    event.texts.append(message)
    event.lines += 1
    if event.is_traceback and not message.startswith(" "):
        event.is_traceback = False
    if event.level != Level.ERROR and level_of(message) == Level.ERROR:
        event.level = Level.ERROR


def shape(text: str) -> str:
    """The message without what differs from one time to the next: times, ids, numbers."""
    for figure, name in _FIGURES:
        text = figure.sub(name, text)
    return text
