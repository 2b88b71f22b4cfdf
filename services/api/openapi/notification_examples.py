"""Examples for outgoing hooks; see `examples`."""

from typing import Any

from services.api.notifications.schemas import (
    NewNotification,
    Notification,
    NotificationDelivery,
    NotificationDeliveryPage,
    NotificationPage,
    NotificationUpdate,
)

_AT = "2026-01-31T09:30:00.000Z"
_URL = "https://hooks.example.com/dockup"

_notification = Notification(
    id="ntf_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
    project_id="prj_019c13f1d3a27d0e9fa0b1c2d3e4f506",
    name="On-call",
    kind="webhook",
    url=_URL,
    events=["deployment.failed", "replica.*"],
    apps=None,
    secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # noqa: S106 - an example
    active=True,
    problem=None,
    created_at=_AT,
)
_delivery = NotificationDelivery(
    id="ntd_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
    event="deployment.failed",
    seq=4711,
    status="pending",
    attempts=1,
    response_status=503,
    detail="503 Service Unavailable",
    created_at=_AT,
    ended_at=None,
    next_attempt_at="2026-01-31T09:30:02.000Z",
)

INSTANCES: tuple[Any, ...] = (
    _notification,
    NotificationPage(items=[_notification]),
    NewNotification(name="On-call", url=_URL, events=["deployment.failed", "replica.*"]),
    NotificationUpdate(active=False),
    _delivery,
    NotificationDeliveryPage(items=[_delivery]),
)
