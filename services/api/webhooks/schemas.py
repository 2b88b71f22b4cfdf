"""What the routes of webhooks give."""

import msgspec

from services.api.http.strict import Page


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery, and in `verdict` what became of it: `deployed`, `ignored: …`, `rejected: …`, `duplicate of …`, `refused: …`.

    It is `received` until it is judged, in a moment.

    `delivery` is the host's own id of it, `redelivery_of` the delivery that a person had judged again.
    """

    id: str
    app_id: str
    provider: str
    delivery: str
    event: str
    verdict: str
    received_at: str
    deployment_id: str | None
    redelivery_of: str | None


class DeliveryPage(Page, frozen=True, kw_only=True):
    items: list[Delivery]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that was taken, once for each app that it is about; none for a repository that no app is built from."""

    deliveries: list[Delivery]


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook of an app's repository: make it at the host by hand from `url`, `secret` and `events` unless it is `active`.

    `active`: Dockup made it at the host, and keeps it so. `detail` says why not.
    """

    provider: str
    url: str
    secret: str
    events: list[str]
    active: bool
    detail: str
