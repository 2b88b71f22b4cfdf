"""Response times, counted by the proxy itself: for each backend all answers, and for each bound those that took longer.

The proxy's log would cost it more, and us a datagram a request.
"""

from libs.common.messages.router import RESPONSE_BOUNDS

TIMES = "times"
"""The stick table that has a histogram of response times for each backend."""


def rules() -> list[str]:
    """The frontend's lines. `txn.begun` is when the request's head was there, in microseconds."""
    over = [
        f"http-response sc-inc-gpc({number},0) if {{ var(txn.took) -m int gt {bound * 1_000:.0f} }}"
        for number, bound in enumerate(RESPONSE_BOUNDS, start=1)
    ]
    return [
        f"http-request track-sc0 var(txn.backend) table {TIMES}",
        "http-response set-var(txn.took) date(0,us),sub(txn.begun)",
        "http-response sc-inc-gpc(0,0)",
        *over,
    ]


def table(capacity: int) -> str:
    """The section. One entry for each app's backend and one for the API's; none ever makes room."""
    return f"backend {TIMES}\n    stick-table type string len 16 size {capacity + 1} nopurge store gpc({len(RESPONSE_BOUNDS) + 1})\n"
