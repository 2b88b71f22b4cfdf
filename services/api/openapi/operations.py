"""What the signatures of the routes cannot say: the errors that each may give, and answers beside the usual one.

By `operationId`. The errors that follow from a route's shape (a token, a body, a path parameter) are added by `document`.
"""

from services.api.openapi import (
    codex_operations,
    domain_operations,
    git_operations,
    notification_operations,
    run_operations,
    state_operations,
)
from services.api.openapi.operation import Operation

OPERATIONS: dict[str, Operation] = {
    "getStatus": Operation(),
    "listErrors": Operation(),
    "getError": Operation(texts=("text/html",)),
    "getRecovery": Operation(errors=("runtime_unavailable",)),
    "recover": Operation(errors=("runtime_unavailable",)),
    "getSecrets": Operation(errors=("runtime_unavailable",)),
    "rotateSecrets": Operation(),
    "logIn": Operation(errors=("invalid_credentials", "rate_limited")),
    "getMe": Operation(),
    "logOut": Operation(errors=("conflict",)),
    "listSessions": Operation(),
    "endSession": Operation(),
    "listAudit": Operation(errors=("not_found",)),
    "changePassword": Operation(errors=("invalid_credentials", "rate_limited")),
    "register": Operation(errors=("registration_closed", "email_taken", "rate_limited", "idempotency_key_reused")),
    "listUsers": Operation(),
    "createUser": Operation(errors=("email_taken",)),
    "updateUser": Operation(errors=("last_admin", "read_only_field")),
    "deleteUser": Operation(errors=("conflict", "last_admin")),
    "listApiKeys": Operation(),
    "createApiKey": Operation(),
    "getApiKey": Operation(),
    "deleteApiKey": Operation(),
    **state_operations.OPERATIONS,
    **codex_operations.OPERATIONS,
    **git_operations.OPERATIONS,
    **domain_operations.OPERATIONS,
    **run_operations.OPERATIONS,
    **notification_operations.OPERATIONS,
}
