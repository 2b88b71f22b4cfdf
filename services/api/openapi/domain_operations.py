"""Entries for custom domains; see `operations`."""

from services.api.openapi.operation import Operation

OPERATIONS: dict[str, Operation] = {
    "listDomains": Operation(),
    "addDomain": Operation(errors=("domain_taken", "quota_exceeded", "app_deleting")),
    "getDomain": Operation(),
    "checkDomain": Operation(errors=("app_deleting",)),
    "deleteDomain": Operation(errors=("app_deleting",)),
}
