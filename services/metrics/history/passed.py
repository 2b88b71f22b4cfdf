"""What passed to apps, in tables beside those of samples: counts alone, so that points of any level are sums."""

from typing import Any

import msgspec

from libs.common.messages.router import RESPONSE_BOUNDS
from services.metrics.history.recorder import TrafficRow
from services.metrics.percentiles import response_times

_CLASSES = ("status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx")
_NO_TIMES = (0,) * (len(RESPONSE_BOUNDS) + 1)
_COUNTS = ("requests", *_CLASSES, *(f"times_{index}" for index in range(len(_NO_TIMES))))
"""Requests, answers by class, response times by bucket."""

TABLE = f"""CREATE TABLE IF NOT EXISTS {{table}}_traffic (
    series INTEGER NOT NULL, at INTEGER NOT NULL, seconds REAL NOT NULL, {", ".join(f"{name} INTEGER NOT NULL" for name in _COUNTS)},
    PRIMARY KEY (series, at)) WITHOUT ROWID"""
# Made of the names above alone.
ADD = f"""INSERT INTO {{table}}_traffic VALUES (?, ?, ?, {", ".join("?" * len(_COUNTS))})
    ON CONFLICT DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in ("seconds", *_COUNTS))}"""  # noqa: S608
PAGE = f"""SELECT at / :interval * :interval AS start, sum(seconds), {", ".join(f"sum({name})" for name in _COUNTS)}
    FROM {{table}}_traffic WHERE series = (SELECT id FROM series WHERE app = :app AND replica = :replica) AND at >= :start AND at < :end
    GROUP BY start"""  # noqa: S608


def values(row: TrafficRow) -> tuple[float, ...]:
    """What `ADD` takes after series and time."""
    it = row.passed
    return row.seconds, it.requests, *(getattr(it, name) for name in _CLASSES), *(it.times or _NO_TIMES)


def fields(seconds: float, requests: float, *counts: float) -> dict[str, Any]:
    """A row of `PAGE`, without its time, as fields of a point."""
    classes, times = counts[: len(_CLASSES)], [int(count) for count in counts[len(_CLASSES) :]]
    return {
        "requests": requests,
        "requests_per_second": round(requests / seconds, 2) if seconds else None,
        **dict(zip(_CLASSES, classes, strict=True)),
        **msgspec.structs.asdict(response_times(times)),
    }
