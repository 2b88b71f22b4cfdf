"""From counters to what passed: workers that come and go, counters that wrap or are cleared."""

import pytest

from libs.common.messages.router import RESPONSE_BOUNDS, AppTraffic
from services.router.meter import Counts, Meter, read, with_open

STAT = """# pxname,svname,scur,smax,stot,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,req_tot,
api,BACKEND,1,2,9,0,9,0,0,0,9,
app0000,BACKEND,2,5,30,1,20,3,4,2,30,
app0001,BACKEND,0,0,0,0,0,0,0,0,0,
app0002,BACKEND,1,1,0,0,0,0,0,0,0,
times,BACKEND,0,0,0,,,,,,,
"""
TABLE = """# table: times, type: string, size:257, used:2
0x5576588683b8: key=app0000 use=0 exp=0 gpc0=28 gpc1=10 gpc2=3 gpc3=0
0x5576588683b9: key=api use=0 exp=0 gpc0=9 gpc1=0 gpc2=0 gpc3=0
"""


def counts(requests: int, *over: int, open_: int = 0) -> Counts:
    return Counts(answers=(requests, 0, requests, 0, 0, 0), open=open_, over=over)


def test_the_proxys_tables_are_read() -> None:
    assert read(STAT, TABLE) == {
        0: Counts(answers=(30, 1, 20, 3, 4, 2), open=2, over=(28, 10, 3, 0)),
        2: Counts(answers=(0, 0, 0, 0, 0, 0), open=1),
    }


def test_the_first_look_shows_what_is_open_and_the_next_what_passed() -> None:
    meter, first = Meter(), {7: {0: counts(30, 28, 10, 3, open_=2)}}
    assert meter.passed(first) == {0: AppTraffic(app_id="", open=2)}
    meter.keep(first)
    assert meter.passed(first) == {0: AppTraffic(app_id="", open=2)}
    later = {7: {0: counts(40, 38, 15, 3)}}
    expected = {0: AppTraffic(app_id="", requests=10, status_2xx=10, times=(5, 5, 0))}
    assert meter.passed(later) == expected
    assert meter.passed(later) == expected, "what was not told is told again"
    meter.keep(later)
    assert meter.passed(later) == {}


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({7: {}}, {7: {0: counts(4, 4, 1)}}, AppTraffic(app_id="", requests=4, status_2xx=4, times=(3, 1))),  # its first request
        (
            {7: {0: counts(9, 9, 9)}},
            {8: {0: counts(4, 4, 1)}},
            AppTraffic(app_id="", requests=4, status_2xx=4, times=(3, 1)),
        ),  # started anew
        (  # a reload: both count, the old one's sessions too
            {7: {0: counts(9, 9, 9)}},
            {7: {0: counts(10, 10, 10, open_=1)}, 8: {0: counts(4, 4, 1)}},
            AppTraffic(app_id="", requests=5, status_2xx=5, open=1, times=(3, 2)),
        ),
        ({7: {0: counts(9, 9, 9)}}, {7: {0: counts(2, 9, 9)}}, AppTraffic(app_id="", requests=2, status_2xx=2)),  # cleared
        (  # 32 bits are full
            {7: {0: counts(9, 2**32 - 1, 5)}},
            {7: {0: counts(12, 2, 5)}},
            AppTraffic(app_id="", requests=3, status_2xx=3, times=(3, 0)),
        ),
        (  # both cleared, or another process by that id
            {7: {0: counts(9, 9, 9)}},
            {7: {0: counts(2, 2, 1)}},
            AppTraffic(app_id="", requests=2, status_2xx=2, times=(1, 1)),
        ),
        ({7: {0: counts(9)}}, {7: {0: counts(9, 3, 0)}}, AppTraffic(app_id="", times=(3, 0))),  # its entry came between two questions
        ({7: {0: counts(9, 9, 9)}}, {7: {0: counts(10)}}, AppTraffic(app_id="", requests=1, status_2xx=1)),  # its entry went: a reload
    ],
)
def test_what_passed(before: dict[int, dict[int, Counts]], now: dict[int, dict[int, Counts]], expected: AppTraffic) -> None:
    meter = Meter()
    meter.keep(before)
    assert meter.passed(now) == {0: expected}


def test_the_bounds_rise() -> None:
    assert list(RESPONSE_BOUNDS) == sorted(set(RESPONSE_BOUNDS))


def test_a_worker_that_was_not_seen_once_does_not_count_twice() -> None:
    meter = Meter()
    meter.keep({7: {0: counts(900, 900)}})
    meter.keep({8: {0: counts(1, 1)}})
    assert meter.passed({7: {0: counts(901, 901)}, 8: {0: counts(1, 1)}}) == {
        0: AppTraffic(app_id="", requests=1, status_2xx=1, times=(1,))
    }


def test_what_a_worker_of_before_sends_on_by_address_is_open() -> None:
    own = {0: counts(30, 28, 10, 3, open_=2)}
    both = with_open(own, {0: 1, 4: 2})
    assert both == {0: counts(30, 28, 10, 3, open_=3), 4: counts(0, open_=2)}
    meter = Meter()
    meter.keep({7: own})
    assert meter.passed({7: both}) == {0: AppTraffic(app_id="", open=3), 4: AppTraffic(app_id="", open=2)}
    meter.keep({7: both})
    assert meter.passed({7: with_open(own, {})}) == {0: AppTraffic(app_id="", open=2)}
