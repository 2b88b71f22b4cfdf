"""What the routers say passed through them, kept for a minute and summed since the start."""

from collections import defaultdict, deque
from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple

import msgspec

from libs.common.messages.metrics import TrafficNow
from libs.common.messages.router import RESPONSE_BOUNDS, AppTraffic, Traffic
from services.metrics.percentiles import response_times

WINDOW = 60.0
_LATE = 3.0
"""Turns without a word after which a router's traffic is not known; one that is silent for longer than `WINDOW` is gone."""
_CLASSES = ("status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx")
_COUNTS = ("requests", *_CLASSES)

_decoder = msgspec.json.Decoder(Traffic)


class Word(NamedTuple):
    """One report, in one message or several. `at` by our monotonic clock, for the routers' may stand elsewhere."""

    number: int
    at: float
    seconds: float
    apps: dict[str, AppTraffic]


class Inflow:
    """Every router's words of the last minute, which come every `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._words: dict[str, deque[Word]] = {}
        self._totals: dict[str, AppTraffic] = {}
        self._unkept: dict[str, AppTraffic] = {}

    def take(self, body: bytes) -> None:
        word = _decoder.decode(body)
        apps = {app.app_id: _fitting(app, word.bounds) for app in word.apps}
        words = self._words.setdefault(word.router_id, deque())
        if words and words[-1].number == word.number:
            words[-1].apps.update(apps)
        else:
            words.append(Word(word.number, monotonic(), word.interval_seconds, apps))
        for app_id, passed in apps.items():
            for sums in (self._totals, self._unkept):
                sums[app_id] = added(sums.get(app_id, AppTraffic(app_id=app_id)), passed)

    def forget(self, app_id: str) -> None:
        self._totals.pop(app_id, None)
        self._unkept.pop(app_id, None)

    def keep(self, app_ids: set[str], now: float) -> None:
        """Forget all but these, and those that were heard of in the last minute: an app that is gone has last words."""
        self._prune(now)
        for sums in (self._totals, self._unkept):
            if gone := sums.keys() - app_ids:
                for app_id in gone.difference(*(word.apps for words in self._words.values() for word in words)):
                    del sums[app_id]

    def taken(self, app_ids: Iterable[str], now: float) -> list[AppTraffic] | None:
        """What passed to each of these apps since it was taken last, once; None while it is not known."""
        if not self.is_known(now):
            return None
        return [self._unkept.pop(app_id, AppTraffic(app_id=app_id)) for app_id in app_ids]

    def is_known(self, now: float) -> bool:
        """A router lives, and each that does was heard in time."""
        self._prune(now)
        return bool(self._words) and all(now - words[-1].at <= _LATE * self._seconds for words in self._words.values())

    def of(self, app_id: str, now: float) -> TrafficNow | None:
        """What passed to the app; None when it is not known."""
        if not self.is_known(now):
            return None
        minute = _sum(app_id, (word.apps.get(app_id) for words in self._words.values() for word in words))
        times = response_times(minute.times)
        return TrafficNow(
            requests_per_second=round(sum(_rate(words, app_id) for words in self._words.values()), 2),
            open_requests=self._open(app_id),
            **{name: getattr(minute, name) for name in _CLASSES},
            seconds=round(min(WINDOW, max(now - words[0].at + words[0].seconds for words in self._words.values())), 1),
            totals=self.total(app_id),
            **msgspec.structs.asdict(times),
        )

    def total(self, app_id: str) -> AppTraffic:
        return self._totals.get(app_id, AppTraffic(app_id=app_id))

    def marks(self, app_id: str, now: float) -> tuple[int, int] | None:
        """How much has passed to the app so far, a number that rises with any request or answer, and what is open; None: not known."""
        if not self.is_known(now):
            return None
        total = self.total(app_id)
        return total.requests + sum(total.times), self._open(app_id)

    def _open(self, app_id: str) -> int:
        return sum(words[-1].apps[app_id].open for words in self._words.values() if app_id in words[-1].apps)

    def _prune(self, now: float) -> None:
        for router_id, words in list(self._words.items()):
            while words and now - words[0].at > WINDOW:
                words.popleft()
            if not words:
                del self._words[router_id]


def _rate(words: deque[Word], app_id: str) -> float:
    """Of the last two words: one may hold a moment that is no measure."""
    recent = list(words)[-2:]
    seconds = sum(word.seconds for word in recent)
    return sum(word.apps[app_id].requests for word in recent if app_id in word.apps) / seconds if seconds else 0.0


def _fitting(app: AppTraffic, bounds: tuple[float, ...]) -> AppTraffic:
    """Without its times where the router has other bounds than we know."""
    fits = bounds == RESPONSE_BOUNDS and len(app.times) == len(bounds) + 1
    return app if fits or not app.times else msgspec.structs.replace(app, times=())


def added(one: AppTraffic, other: AppTraffic) -> AppTraffic:
    """What both passed; `open` is the other's."""
    return _sum(one.app_id, (msgspec.structs.replace(one, open=0), other))


def _sum(app_id: str, parts: Iterable[AppTraffic | None]) -> AppTraffic:
    values: dict[str, int] = defaultdict(int)
    times = [0] * (len(RESPONSE_BOUNDS) + 1)
    for part in parts:
        if part is None:
            continue
        for name in (*_COUNTS, "open"):
            values[name] += getattr(part, name)
        for index, count in enumerate(part.times):
            times[index] += count
    return AppTraffic(app_id=app_id, times=tuple(times) if any(times) else (), **values)
