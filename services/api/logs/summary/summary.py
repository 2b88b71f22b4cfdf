"""Folds lines into groups and fits them into as many bytes as are wanted. Pure."""

from collections.abc import Sequence

import msgspec

from libs.common import bounds
from libs.common.messages.runtime import LogLine
from services.api.logs.schemas import LogGroup, LogSummary, Omitted
from services.api.logs.summary.folding import Event, events, shape
from services.api.logs.summary.levels import Level

_RANK = {level: rank for rank, level in enumerate(Level)}
_MOST_REPLICAS = 5
_SHORTEST = 100
_SHARE = 4
"""A message may take a fourth of the bytes: beside a long one there is room for others."""
_MOST_FIGURES = 10**9


class _Group(msgspec.Struct):
    """Events of one shape; `number` is the place of the newest of them."""

    level: Level
    first: LogLine
    newest: Event
    count: int = 0
    lines: int = 0
    number: int = 0
    replicas: set[str] = msgspec.field(default_factory=set)


def summarize(lines: Sequence[LogLine], max_bytes: int, *, truncated: bool = False) -> LogSummary:
    """Errors first, then warnings, then the rest; of each the newest first. As JSON it has at most `max_bytes` bytes.

    The counts are exact: those of the groups and of what is `omitted` add up to all lines.
    """
    groups = _ordered(_fold(lines))
    total = Omitted(groups=len(groups), lines=len(lines))
    head = LogSummary(lines=len(lines), errors=_count(groups), items=[], omitted=total, truncated=truncated, **_span(lines))
    left = max_bytes - bounds.size(msgspec.structs.replace(head, omitted=Omitted(groups=_MOST_FIGURES, lines=_MOST_FIGURES)))
    items: list[LogGroup] = []
    for group in groups:
        item = _shown(group, max(_SHORTEST, min(max_bytes // _SHARE, left)))
        left -= bounds.size(item) + 1
        if left < 0:
            break
        items.append(item)
    omitted = Omitted(groups=len(groups) - len(items), lines=len(lines) - sum(item.lines for item in items))
    return msgspec.structs.replace(head, items=items, omitted=omitted)


def as_text(summary: LogSummary, max_bytes: int) -> str:
    """One group a paragraph, its level and count before it; at most `max_bytes` bytes of UTF-8."""
    parts = [f"{summary.lines} lines, {summary.errors} errors"]
    parts += [f"{item.level.upper()} x{item.count} {item.last_at} {item.message}" for item in summary.items]
    kept: list[str] = []
    left = max_bytes - _FOOT
    for part in parts:
        left -= len(part.encode()) + 1
        if left < 0:
            break
        kept.append(part)
    hidden = summary.items[max(0, len(kept) - 1) :]
    groups, lines = summary.omitted.groups + len(hidden), summary.omitted.lines + sum(item.lines for item in hidden)
    if groups:
        kept.append(f"… {groups} more groups, {lines} lines")
    return "".join(f"{part}\n" for part in kept)


_FOOT = len(f"… {_MOST_FIGURES} more groups, {_MOST_FIGURES} lines\n".encode())


def _fold(lines: Sequence[LogLine]) -> list[_Group]:
    groups: dict[tuple[Level, str], _Group] = {}
    for number, event in enumerate(events(lines)):
        # Of a stack trace the last line says what it is about, and the first one what was done.
        key = (event.level, shape(f"{event.texts[0]}\n{event.texts[-1]}"))
        group = groups.setdefault(key, _Group(event.level, event.first, event))
        group.count += 1
        group.lines += event.lines
        group.number, group.newest = number, event
        group.replicas.add(event.first.replica)
    return list(groups.values())


def _ordered(groups: list[_Group]) -> list[_Group]:
    return sorted(groups, key=lambda group: (_RANK[group.level], -group.number))


def _count(groups: list[_Group]) -> int:
    return sum(group.count for group in groups if group.level == Level.ERROR)


def _span(lines: Sequence[LogLine]) -> dict[str, str | None]:
    return {"from_at": lines[0].at, "to_at": lines[-1].at} if lines else {"from_at": None, "to_at": None}


def _shown(group: _Group, most: int) -> LogGroup:
    return LogGroup(
        level=group.level,
        count=group.count,
        lines=group.lines,
        message=bounds.cut("\n".join(group.newest.texts), most),
        stream=group.first.stream,
        first_at=group.first.at,
        last_at=group.newest.first.at,
        replicas=sorted(group.replicas)[:_MOST_REPLICAS],
    )
