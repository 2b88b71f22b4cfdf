"""Live sessions: what the API asks the runtime to open, and what both say at the end."""

import msgspec


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """Who opened a session whose end the audit tells of, and `what` for: the words of `{kind}.started`, but for the replica."""

    project_id: str
    what: str
    actor: str
    address: str
    request_id: str
    user_id: str | None = None
    key_id: str | None = None
    session_id: str | None = None

    def words(self, replica: str) -> str:
        """What the audit says was opened."""
        return f"{replica}: {self.what}" if self.what else replica


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.runtime.open`: begin a session of `kind` on an app.

    `session` is a secret of its two sides: whoever knows it may speak in it. `request` is the kind's own struct. With `by` the runtime
    says `SessionEnded`.
    """

    session: str
    kind: str
    app_id: str
    request: msgspec.Raw
    by: Behind | None = None
    v: int = 1


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Open when `refusal` is empty; else it is the code of an error of the API, and `detail` its reason.

    `replica` is the name of the container that the session is about, where it is about one.
    """

    refusal: str = ""
    detail: str = ""
    replica: str = ""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended. `code` is the exit code of what ran in it, None where nothing exited."""

    reason: str
    detail: str = ""
    code: int | None = None


class SessionEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A session of `kind` is over, and what it held is let go; `reason` and `code` as in `Ended`.

    A runtime that was killed meanwhile says it when it is back.
    """

    event_id: str
    at: str
    app_id: str
    kind: str
    reason: str
    by: Behind
    replica: str = ""
    code: int | None = None
    v: int = 1


LEFT = "left"
"""The other side closed it without a reason of its own."""
PEER_LOST = "peer_lost"
"""Nothing was heard of the other side for too long: its process died, or the bus is away."""
BROKEN = "broken"
"""Something that was sent did not arrive, or came in an impossible order."""
STOPPED = "runtime_stopped"
"""The runtime stops, or failed."""


class ExecRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a session of the kind `exec` runs: `command` without a shell around it, in `replica` or else in one that serves.

    `process`: only replicas of that one; else those of `web` come first.
    """

    command: tuple[str, ...]
    tty: bool = True
    replica: str | None = None
    process: str | None = None


class Resize(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a frame tagged `RESIZE`: the terminal's size in characters."""

    cols: int
    rows: int


BYTES, ERRORS, RESIZE, END_OF_INPUT = range(4)
"""The tags of frames of `exec`: input or output, what was written on standard error (of a session without a terminal), and control."""

EXITED = "exit"
REPLICA_ENDED = "replica_ended"
