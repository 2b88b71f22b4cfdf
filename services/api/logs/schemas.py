"""What the routes of an app's logs take and give."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from litestar.params import Parameter

from libs.common import clock
from libs.common.messages.runtime import LogLine
from services.api.http.problems import invalid

MOST_LINES = 10_000
LINES, LINES_OF_SUMMARY = 100, MOST_LINES
BYTES_OF_SUMMARY = 4_000
_DIGITS = 9

Tail = Annotated[
    int | None,
    Parameter(ge=1, le=MOST_LINES, description="How many lines from the end, of all replicas together: 100, or 10,000 for a summary."),
]
StreamTail = Annotated[
    int | None,
    Parameter(ge=1, le=MOST_LINES, description="How many lines of the past come first, of all replicas: 100, or 10,000 with since."),
]
Since = Annotated[str | None, Parameter(max_length=40, description="Only lines from this moment on, in RFC 3339.")]
Stream = Annotated[Literal["stdout", "stderr"] | None, Parameter(description="Only this stream.")]
Replica = Annotated[str | None, Parameter(max_length=128, description="Only this replica, by the name that the lines carry.")]
Process = Annotated[str | None, Parameter(max_length=20, description="Only replicas of this process, `web` or another.")]
DeploymentId = Annotated[str | None, Parameter(max_length=40, description="Only replicas of this deployment.")]
View = Annotated[Literal["lines", "summary"], Parameter(description="`summary`: errors first, repeats folded, exact counts.")]
MaxBytes = Annotated[
    int | None,
    Parameter(ge=1_000, le=200_000, description="How long a summary is at most, 4,000 when left out; for `view=summary` alone."),
]


Token = Annotated[str | None, Parameter(max_length=4096, description="An API key or JWT, for clients that cannot send Authorization.")]


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of a stream, but for the token."""

    tail: Annotated[int, msgspec.Meta(ge=1, le=MOST_LINES)] | None = None
    since: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    stream: Literal["stdout", "stderr"] | None = None
    replica: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    process: Annotated[str, msgspec.Meta(max_length=20)] | None = None

    @property
    def lines(self) -> int:
        """Who goes on from a moment wants all since then."""
        return self.tail or (LINES if self.since is None else MOST_LINES)


def asked(query: Mapping[str, str]) -> StreamQuery:
    """`400 validation_failed` for what does not fit."""
    given: dict[str, str | int] = {name: text for name, text in query.items() if name != "token"}
    if (tail := query.get("tail", "")).isascii() and tail.isdecimal():
        given["tail"] = int(tail[:_DIGITS])
    try:
        found = msgspec.convert(given, StreamQuery)
    except msgspec.ValidationError as error:
        detail, _, place = str(error).partition(" - at `$.")
        raise invalid(f"/{place.rstrip('`')}", detail) from error
    check_time(found.since)
    return found


def check_time(since: str | None) -> None:
    try:
        _ = since is None or clock.parse(since)
    except ValueError as error:
        raise invalid("/since", "takes a time in RFC 3339 with its zone, such as 2030-01-01T00:00:00Z") from error


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first, the last words of replicas that died among them. `truncated`: older lines did not fit into the answer."""

    items: list[LogLine]
    truncated: bool = False


class LogGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What was said `count` times, differing in times, ids and numbers alone; `message` is how it was said last.

    `level` is `error`, `warning` or `info`. A stack trace is one message of several lines: `lines` counts all that the group stands
    for. `replicas` are the first five of those that said it.
    """

    level: str
    count: int
    lines: int
    message: str
    stream: str
    first_at: str
    last_at: str
    replicas: list[str]


class Omitted(msgspec.Struct, frozen=True, kw_only=True):
    """What did not fit."""

    groups: int
    lines: int


class LogSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Errors first, then warnings, then the rest; of each what was said last comes first.

    `lines` were looked at, from `from_at` to `to_at`; `errors` is how many times an error was said. `truncated`: older lines were
    not looked at.
    """

    lines: int
    errors: int
    from_at: str | None
    to_at: str | None
    items: list[LogGroup]
    omitted: Omitted
    truncated: bool = False
