"""What the routes of notifications take and give, and what a hook is sent."""

from typing import Annotated, Any, Literal

import msgspec

from services.api.http.strict import Body, DisplayName, Page

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET
Kind = Literal["webhook", "slack"]
DeliveryStatus = Literal["pending", "delivered", "failed"]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2000, description="an https address")]
Pattern = Annotated[
    str, msgspec.Meta(max_length=60, pattern=r"^(\*|[a-z_]+\.(\*|[a-z_]+))$", description="such as deployment.failed, deployment.* or *")
]
Patterns = Annotated[list[Pattern], msgspec.Meta(min_length=1, max_length=50)]
Apps = Annotated[list[Annotated[str, msgspec.Meta(max_length=48)]], msgspec.Meta(min_length=1, max_length=100)]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """An outgoing hook. `apps` are ids; None: all of the project. `secret` signs what a `webhook` is sent; a `slack` hook has none.

    `active` false with a `problem`: the receiver said that it is gone (410). An empty `url`: no key of the server's opens the address.
    """

    id: str
    project_id: str
    name: str
    kind: Kind
    url: str
    events: list[str]
    apps: list[str] | None
    secret: str | None
    active: bool
    problem: str | None
    created_at: str


class NotificationPage(Page, frozen=True, kw_only=True):
    items: list[Notification]


class NewNotification(Body, frozen=True, kw_only=True):
    """`apps` by id or slug; left out or null: all of the project, also those to come."""

    name: DisplayName
    url: Url
    kind: Kind = "webhook"
    events: Patterns = msgspec.field(default_factory=lambda: ["deployment.*"])
    apps: Apps | None = None
    active: bool = True


class NotificationUpdate(Body, frozen=True, kw_only=True):
    """What is left out keeps its value; the read-only fields may come back as they were read."""

    id: str | Unset = UNSET
    project_id: str | Unset = UNSET
    name: DisplayName | Unset = UNSET
    kind: Kind | Unset = UNSET
    url: Url | Unset = UNSET
    events: Patterns | Unset = UNSET
    apps: Apps | Unset | None = UNSET
    secret: str | Unset | None = UNSET
    active: bool | Unset = UNSET
    problem: str | Unset | None = UNSET
    created_at: str | Unset = UNSET


class NotificationDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """`detail` is the end of the last try in a sentence; `next_attempt_at` is set while it is `pending`."""

    id: str
    event: str
    seq: int | None
    status: DeliveryStatus
    attempts: int
    response_status: int | None
    detail: str
    created_at: str
    ended_at: str | None
    next_attempt_at: str | None


class NotificationDeliveryPage(Page, frozen=True, kw_only=True):
    items: list[NotificationDelivery]


class NoticeApp(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    slug: str
    name: str
    url: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a `webhook` is sent: the event of the feed, and whose it is. `seq` is None of a test."""

    type: str
    at: str
    seq: int | None
    project_id: str
    app: NoticeApp | None
    deployment_id: str | None
    level: str
    message: str
    data: dict[str, Any]
