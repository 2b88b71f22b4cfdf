"""What the routes of a deployment's log take and give."""

from typing import Annotated

import msgspec
from litestar.params import HeaderParameter, Parameter

After = Annotated[str | None, Parameter(max_length=40, description="Where to go on: the cursor of the last line that came.")]
Lines = Annotated[int, Parameter(ge=1, le=10_000, description="How many lines an answer has at most.")]
LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID", description="Where a stream goes on: the last cursor that came.")]
Token = Annotated[str | None, Parameter(max_length=4096, description="An API key or JWT, for clients that cannot send Authorization.")]


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line, secrets masked. `cursor` is its place in the log.

    `stream` is `stdout`, `stderr`, or `build` for what the builder itself says; `step` the number of the build's step, 0 outside of any,
    with its `duration_ms` where it ends. The last words of a replica carry its name in `replica`.
    """

    cursor: str
    at: str
    stream: str
    step: int
    message: str
    duration_ms: float | None = None
    replica: str | None = None


class DeploymentLog(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first. `next_after` goes on where this ends. `ended`: the deployment has come to its end."""

    items: list[LogEntry]
    next_after: str | None
    ended: bool
