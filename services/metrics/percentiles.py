"""From a histogram to percentiles. Pure."""

from collections.abc import Sequence

from libs.common.messages.metrics import ResponseTimes
from libs.common.messages.router import RESPONSE_BOUNDS


def percentile(counts: Sequence[int], part: float) -> float | None:
    """The value that `part` (0 to 1) of all are not over, in milliseconds, as if those of a bucket lay evenly in it.

    What took longer than the last bound is shown as that; None of nothing.
    """
    total = sum(counts)
    if total == 0:
        return None
    left = part * total
    lower = 0.0
    for bound, count in zip(RESPONSE_BOUNDS, counts, strict=False):
        if count >= left and count > 0:
            return round(lower + (bound - lower) * left / count, 2)
        left -= count
        lower = bound
    return lower


def response_times(counts: Sequence[int]) -> ResponseTimes:
    p50, p95, p99 = (percentile(counts, part) for part in (0.5, 0.95, 0.99))
    return ResponseTimes(response_time_p50=p50, response_time_p95=p95, response_time_p99=p99)
