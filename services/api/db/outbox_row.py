"""One thing to be said on the bus, as it stands in the table `outbox` and in the relay's memory."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """`command` and `event` are published to a stream; `desired` is written to the bucket, the newest revision wins."""

    COMMAND = "command"
    DESIRED = "desired"
    EVENT = "event"


class Entry(msgspec.Struct, kw_only=True):
    """`subject` is the subject, or the key in the bucket; `rank` is `(epoch, revision)` of a desired entry.

    `id` is the row's, known once the row is written. An empty `body` of kind `desired` removes the key.
    """

    kind: Kind
    subject: str
    app_id: str
    message_id: str
    body: bytes
    headers: dict[str, str] = {}
    rank: tuple[int, int] = (0, 0)
    id: int = 0
