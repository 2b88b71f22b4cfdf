"""Entries for projects, apps, deployments, events and logs; see `operations`."""

from services.api.openapi.operation import Operation

OPERATIONS: dict[str, Operation] = {
    "getAppLogs": Operation(errors=("runtime_unavailable",), text="text/plain"),
}
