import pytest

from libs.supervisor import backoff


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 0.2), (2, 0.4), (3, 0.8), (4, 1.6), (5, 3.2), (6, 6.4), (7, 10.0), (8, 10.0), (5_000, 10.0)],
)
def test_the_pause_doubles_up_to_ten_seconds(failures: int, seconds: float) -> None:
    assert backoff.pause(failures) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("failures", "seconds_up", "after"),
    [(0, 0.1, 1), (1, 0.1, 2), (6, 29.9, 7), (6, 30.0, 1), (6, 3600.0, 1)],
)
def test_half_a_minute_up_forgets_what_was(failures: int, seconds_up: float, after: int) -> None:
    assert backoff.failures_after(failures, seconds_up) == after
