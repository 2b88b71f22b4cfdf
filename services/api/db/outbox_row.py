"""One thing to be said on the bus, as it stands in the table `outbox` and in the relay's memory."""

import secrets
import time
from enum import StrEnum

import msgspec

_NOISE_BITS = 11
_last_id = 0


def _next_id() -> int:
    """A number that grows with time and that no other process has: microseconds and noise, in 63 bits."""
    global _last_id  # noqa: PLW0603 - one order for the whole process
    _last_id = max(_last_id + 1, time.time_ns() // 1000 << _NOISE_BITS | secrets.randbits(_NOISE_BITS))
    return _last_id


class Kind(StrEnum):
    """`command` and `event` are published to a stream; `desired` is written to the bucket, the newest revision wins."""

    COMMAND = "command"
    DESIRED = "desired"
    EVENT = "event"


class Entry(msgspec.Struct, kw_only=True):
    """`subject` is the subject, or the key in the bucket; `rank` is `(epoch, revision)` of a desired entry.

    An empty `body` of kind `desired` removes the key.
    """

    kind: Kind
    subject: str
    app_id: str
    message_id: str
    body: bytes
    headers: dict[str, str] = {}
    rank: tuple[int, int] = (0, 0)
    id: int = msgspec.field(default_factory=_next_id)
