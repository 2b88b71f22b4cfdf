"""What the routes of events give."""

from typing import Any, Literal

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the feed. `seq` only grows and is never used twice; gaps are normal."""

    seq: int
    type: str
    at: str
    app_id: str | None
    deployment_id: str | None
    actor: str | None
    level: Literal["info", "warning", "error"]
    message: str
    data: dict[str, Any]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """`next_after` is the `after` of the next call, whether or not there was anything."""

    items: list[Event]
    next_after: int
