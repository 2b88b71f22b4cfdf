"""What tells the webhooks of one host from another's."""

from collections.abc import Callable
from typing import NamedTuple

from services.api.webhooks.events import Came, Said


class WebhookProvider(NamedTuple):
    """`is_signed(came, secret)`; `read(came)` raises `Unreadable`; the last two give the host's words for the delivery's id and event."""

    is_signed: Callable[[Came, str], bool]
    read: Callable[[Came], Said]
    delivery_header: str
    event_header: str
    events: tuple[str, ...]
