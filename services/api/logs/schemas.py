"""What the route of an app's logs takes and gives."""

from typing import Annotated, Literal

import msgspec
from litestar.params import Parameter

from libs.common.messages.runtime import LogLine

Tail = Annotated[int, Parameter(ge=1, le=10_000, description="How many lines from the end, of all replicas together.")]
Since = Annotated[str | None, Parameter(max_length=40, description="Only lines from this moment on, in RFC 3339.")]
Stream = Annotated[Literal["stdout", "stderr"] | None, Parameter(description="Only this stream.")]
Replica = Annotated[str | None, Parameter(max_length=128, description="Only this replica, by the name that the lines carry.")]
DeploymentId = Annotated[str | None, Parameter(max_length=40, description="Only replicas of this deployment.")]


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first, the last words of replicas that died among them. `truncated`: older lines did not fit into the answer."""

    items: list[LogLine]
    truncated: bool = False
