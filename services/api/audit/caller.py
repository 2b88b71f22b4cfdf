"""Who is behind what happens in this task: set when a token is accepted, read when a transaction commits.

Work in the background has no caller, and leaves no line in the audit.
"""

from collections.abc import Callable
from contextvars import ContextVar

import msgspec


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """`address` is the client's, as our own proxy forwards it; a client's own headers are dropped there."""

    actor: str
    address: str
    request_id: str
    user_id: str | None = None
    key_id: str | None = None
    session_id: str | None = None


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, to what: names and ids alone.

    `detail` is the one place for what a person typed, where telling it is the point: a command that was run in an app.
    """

    action: str
    target: str | None = None
    project_id: str | None = None
    outcome: str = "done"
    detail: str | None = None


CALLER: ContextVar[Callable[[], Caller] | None] = ContextVar("caller", default=None)
"""Made when it is asked for: most requests change nothing."""
