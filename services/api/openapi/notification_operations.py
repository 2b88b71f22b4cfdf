"""Entries for outgoing hooks; see `operations`."""

from services.api.openapi.operation import Operation

OPERATIONS: dict[str, Operation] = {
    "listNotifications": Operation(),
    "createNotification": Operation(errors=("quota_exceeded",)),
    "getNotification": Operation(),
    "updateNotification": Operation(errors=("read_only_field",)),
    "deleteNotification": Operation(),
    "testNotification": Operation(),
    "listNotificationDeliveries": Operation(),
    "redeliverNotification": Operation(),
}
