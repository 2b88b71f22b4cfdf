"""What routers say, over time: rates, percentiles, totals, and when it is not known."""

from itertools import count
from typing import Any

import msgspec
import pytest

from libs.common import ids
from libs.common.messages.router import MOST_APPS, RESPONSE_BOUNDS, AppTraffic, Traffic
from services.metrics import traffic
from services.metrics.percentiles import percentile
from services.metrics.traffic import Inflow
from services.router.traffic import parts

APP = "app_1"
BUCKETS = len(RESPONSE_BOUNDS) + 1
CLASSES = ("status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx")


class Clock:
    now = 1_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(traffic, "monotonic", lambda: made.now)
    return made


def times(**counts: int) -> tuple[int, ...]:
    """`b3=5`: five in bucket 3."""
    return tuple(counts.get(f"b{index}", 0) for index in range(BUCKETS))


NUMBERS = count(1)


def word(*apps: AppTraffic, router: str = "rtr_1", seconds: float = 5.0, **fields: Any) -> bytes:
    known = {"bounds": RESPONSE_BOUNDS, "number": next(NUMBERS), **fields}
    return msgspec.json.encode(Traffic(router_id=router, at="x", interval_seconds=seconds, apps=apps, **known))


def passed(requests: int, **fields: Any) -> AppTraffic:
    return AppTraffic(app_id=APP, requests=requests, status_2xx=requests, **fields)


@pytest.mark.parametrize(
    ("counts", "part", "expected"),
    [
        (times(), 0.5, None),
        (times(b0=100), 0.5, 0.5),
        (times(b0=100), 0.99, 0.99),
        (times(b1=4), 0.5, 1.75),  # between 1 and 2.5
        (times(b0=95, b6=5), 0.5, 0.53),
        (times(b0=95, b6=5), 0.95, 1.0),
        (times(b0=95, b6=5), 0.99, 90.0),
        (times(**{f"b{BUCKETS - 1}": 3}), 0.5, RESPONSE_BOUNDS[-1]),  # longer than we measure
        (times(b3=1), 0.99, 9.95),
    ],
)
def test_percentile(counts: tuple[int, ...], part: float, expected: float | None) -> None:
    assert percentile(counts, part) == expected


def test_rates_are_of_two_words_and_classes_of_a_minute(clock: Clock) -> None:
    inflow = Inflow(5)
    for requests in (100, *[0] * 9, 20, 30):
        clock.now += 5
        inflow.take(word(*([passed(requests, times=times(b3=requests), open=requests // 10)] if requests else [])))
    now = inflow.of(APP, clock.now)
    assert now
    assert (now.requests_per_second, now.status_2xx, now.open_requests) == (5.0, 150, 3)
    assert now.response_time_p50 == 7.5
    clock.now += 6
    inflow.take(word())
    now = inflow.of(APP, clock.now)
    assert now
    assert (now.open_requests, now.status_2xx, now.totals.requests) == (0, 50, 150), "the first word is older than a minute"


def test_routers_are_summed_and_one_that_is_late_makes_it_unknown(clock: Clock) -> None:
    inflow = Inflow(5)
    assert inflow.of(APP, clock.now) is None, "nobody was heard"
    inflow.take(word(passed(50, open=1), router="rtr_1"))
    inflow.take(word(passed(25), router="rtr_2"))
    now = inflow.of(APP, clock.now)
    assert now
    assert (now.requests_per_second, now.open_requests) == (15.0, 1)
    clock.now += 14
    inflow.take(word(router="rtr_1"))
    assert inflow.of(APP, clock.now) is not None
    clock.now += 2
    assert inflow.of(APP, clock.now) is None, "the second is three intervals late"
    assert inflow.marks(APP, clock.now) is None
    clock.now += 46
    inflow.take(word(router="rtr_1"))
    assert inflow.of(APP, clock.now) is not None, "after a minute it is gone"


def test_marks_show_all_that_happens(clock: Clock) -> None:
    inflow = Inflow(5)
    for each, expected in ((passed(0, open=1), (0, 1)), (passed(0, times=times(b2=1)), (1, 0)), (passed(2, times=times(b2=1)), (4, 0))):
        inflow.take(word(each))
        assert inflow.marks(APP, clock.now) == expected
    inflow.take(word())
    assert inflow.marks(APP, clock.now) == (4, 0)


def test_other_bounds_than_ours_count_without_times(clock: Clock) -> None:
    inflow = Inflow(5)
    inflow.take(word(passed(50, times=(1, 49)), bounds=(100.0,)))
    now = inflow.of(APP, clock.now)
    assert now
    assert (now.status_2xx, now.response_time_p50) == (50, None)


def test_what_passed_is_taken_once_whatever_is_silent_or_gone_in_between(clock: Clock) -> None:
    inflow = Inflow(5)
    inflow.take(word(passed(3, times=times(b0=3))))
    assert inflow.taken([APP], clock.now) == [passed(3, times=times(b0=3))]
    assert inflow.taken([APP], clock.now) == [AppTraffic(app_id=APP)]
    clock.now += 20
    assert inflow.taken([APP], clock.now) is None, "the router is silent"
    inflow.take(word(passed(4)))
    assert inflow.taken([], clock.now) == [], "the app has no container at this tick"
    inflow.take(word(passed(5)))
    assert inflow.taken([APP], clock.now) == [passed(9)]
    inflow.take(word(passed(6, times=times(b1=6))))
    inflow.forget(APP)
    assert inflow.taken([APP], clock.now) == [AppTraffic(app_id=APP)], "it is being deleted, and its container still drains"


def test_of_an_app_that_is_gone_nothing_stays(clock: Clock) -> None:
    inflow = Inflow(5)
    inflow.take(word(passed(3), AppTraffic(app_id="app_2", requests=2)))
    inflow.forget(APP)
    clock.now += 5
    inflow.take(word(passed(1)))
    inflow.keep({"app_2"}, clock.now)
    assert inflow.total(APP).requests == 1, "a router still speaks of it"
    for _ in range(13):
        clock.now += 5
        inflow.take(word())
        inflow.keep({"app_2"}, clock.now)
    assert (inflow.total(APP).requests, inflow.total("app_2").requests) == (0, 2)
    assert inflow.taken([APP, "app_2"], clock.now) == [AppTraffic(app_id=APP), AppTraffic(app_id="app_2", requests=2)]
    assert inflow._totals.keys() == {"app_2"}


def test_a_word_of_more_apps_than_a_message_takes_comes_in_several(clock: Clock) -> None:
    huge = 2**40
    apps = [
        AppTraffic(app_id=ids.new("app"), requests=huge, **dict.fromkeys(CLASSES, huge), open=huge, times=(huge,) * BUCKETS)
        for _ in range(2 * MOST_APPS + 1)
    ]
    inflow = Inflow(5)
    messages = [msgspec.json.encode(part) for part in parts("rtr_1", 7, 5.0, apps)]
    assert len(messages) == 3
    assert max(map(len, messages)) < 1024 * 1024
    for message in messages:
        inflow.take(message)
    now = [inflow.of(app.app_id, clock.now) for app in (apps[0], apps[MOST_APPS], apps[-1])]
    assert [each and (each.requests_per_second, each.totals.requests) for each in now] == [(round(huge / 5, 2), huge)] * 3
    (silent,) = parts("rtr_1", 8, 5.0, [])
    assert silent.apps == ()
