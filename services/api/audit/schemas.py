"""What the route of the audit gives."""

from typing import Literal

import msgspec

from services.api.http.strict import Page


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is an event's type or, where there is no event, such as `login.refused`. `target` is the id of what it was done to.

    Exactly one of `key_id` and `session_id` is set, neither for a login. `request_id` is also in events and logs.
    `detail` of `exec.started` and `exec.ended` is the replica, the command without the secrets in it, and how it ended.
    """

    id: str
    at: str
    action: str
    outcome: Literal["done", "refused"]
    target: str | None
    project_id: str | None
    user_id: str | None
    actor: str
    key_id: str | None
    session_id: str | None
    address: str
    request_id: str
    detail: str | None


class AuditPage(Page, frozen=True, kw_only=True):
    items: list[AuditEntry]
