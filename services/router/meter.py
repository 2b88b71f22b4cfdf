"""From the proxy's counters to what passed since the last look. Pure, but for the memory of that look."""

from collections.abc import Mapping

import msgspec

from libs.common.messages.router import AppTraffic
from services.router import render

_COLUMNS = ("req_tot", "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx")
_WRAP = 1 << 32
"""What the proxy counts in its table has 32 bits."""
_REMEMBERED = 8
"""Workers that are gone."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one backend in one worker, since that started. `answers`: requests and their answers by class; `open` is now.

    `over`: answers that were timed, then for each bound how many of them took longer.
    """

    answers: tuple[int, ...]
    open: int
    over: tuple[int, ...] = ()


def read(stat: str, table: str) -> dict[int, Counts]:
    """The apps' backends by number, from `show stat` of the backends and `show table`; those that never had a request are left out."""
    over = _over(table)
    header, *rows = stat.removeprefix("# ").splitlines()
    names = header.split(",")
    name, sessions, *columns = (names.index(column) for column in ("pxname", "scur", *_COLUMNS))
    found = {}
    for fields in (row.split(",") for row in rows if row):
        slot = render.slot_of(fields[name])
        if slot is not None and (fields[columns[0]] != "0" or fields[sessions] != "0"):
            answers = tuple(int(fields[column] or 0) for column in columns)
            found[slot] = Counts(answers=answers, open=int(fields[sessions] or 0), over=over.get(slot, ()))
    return found


def with_open(backends: Mapping[int, Counts], sessions: Mapping[int, int]) -> dict[int, Counts]:
    """With sessions more that are open, by number: a worker's backends know nothing of those that it sends on by address."""
    nothing = Counts(answers=(0,) * len(_COLUMNS), open=0)
    more = {slot: (backends.get(slot, nothing), count) for slot, count in sessions.items()}
    return {**backends, **{slot: msgspec.structs.replace(known, open=known.open + count) for slot, (known, count) in more.items()}}


def _over(table: str) -> dict[int, tuple[int, ...]]:
    """Lines such as `0x55…: key=app0001 use=0 exp=0 gpc0=3 gpc1=0 …`."""
    found = {}
    for line in table.splitlines():
        words = [word.partition("=") for word in line.split()]
        key = next((value for name, _, value in words if name == "key"), "")
        slot = render.slot_of(key)
        if slot is not None:
            found[slot] = tuple(int(value) for name, _, value in words if name.startswith("gpc"))
    return found


class Meter:
    """Knows the workers by their process ids: each counts for itself, and one that a reload started counts from nothing."""

    def __init__(self) -> None:
        self._last: dict[int, dict[int, Counts]] | None = None

    def passed(self, workers: Mapping[int, Mapping[int, Counts]]) -> dict[int, AppTraffic]:
        """What each backend passed since `keep`, without an app's id. The first look shows nothing but what is open."""
        totals: dict[int, list[Counts]] = {}
        for pid, backends in workers.items():
            before = backends if self._last is None else self._last.get(pid, {})
            for slot, now in backends.items():
                totals.setdefault(slot, []).append(_between(before.get(slot), now))
        found = {slot: _traffic(parts) for slot, parts in totals.items()}
        return {slot: each for slot, each in found.items() if each.requests or each.open or any(each.times)}

    def keep(self, workers: Mapping[int, Mapping[int, Counts]]) -> None:
        """That look was told of: the next counts from it. A worker that was not seen once, in mid-reload, goes on from where it was."""
        absent = [(pid, backends) for pid, backends in (self._last or {}).items() if pid not in workers]
        self._last = {**dict(absent[-_REMEMBERED:]), **{pid: dict(backends) for pid, backends in workers.items()}}


def _between(before: Counts | None, now: Counts) -> Counts:
    if before is None:
        return now
    answers = tuple(_less(new, old) for new, old in zip(now.answers, before.answers, strict=True))
    old_over = before.over or (0,) * len(now.over)
    # A worker that a reload replaced clears its table of what no connection holds.
    over = tuple(_around(new, old) for new, old in zip(now.over, old_over, strict=False))
    return Counts(answers=answers, open=now.open, over=over)


def _less(now: int, before: int) -> int:
    """A counter that fell was cleared by somebody, and counts from nothing."""
    return now - before if now >= before else now


def _around(now: int, before: int) -> int:
    """As `_less`, of a counter that begins again when it is full: it passed less than half of what it holds."""
    passed = (now - before) % _WRAP
    return passed if passed < _WRAP // 2 else now


def _traffic(parts: list[Counts]) -> AppTraffic:
    requests, *classes = (sum(column) for column in zip(*(part.answers for part in parts), strict=True))
    timed = [part.over for part in parts if part.over]
    over = [sum(column) for column in zip(*timed, strict=True)]
    # The table goes on counting while it is read: no bucket is less than empty.
    times = tuple(max(0, count - (over[index + 1] if index + 1 < len(over) else 0)) for index, count in enumerate(over))
    return AppTraffic(
        app_id="",
        requests=requests,
        status_1xx=classes[0],
        status_2xx=classes[1],
        status_3xx=classes[2],
        status_4xx=classes[3],
        status_5xx=classes[4],
        open=sum(part.open for part in parts),
        times=times if any(times) else (),
    )
