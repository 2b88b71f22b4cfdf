"""Entries for connections to git hosts and for webhooks; see `operations`."""

from services.api.git.schemas import Connection
from services.api.openapi.operation import Operation

_DELIVERY = ("signature_invalid", "delivery_unreadable", "validation_failed")

OPERATIONS: dict[str, Operation] = {
    "authorizeGithub": Operation(errors=("github_not_configured",)),
    "callbackGithub": Operation(
        errors=("oauth_failed", "github_unavailable", "github_not_configured"), answers={200: Connection, 303: None}
    ),
    "listGitConnections": Operation(),
    "deleteGitConnection": Operation(errors=("github_not_configured", "github_unavailable")),
    "listGitRepos": Operation(errors=("git_not_connected", "github_not_configured", "github_unavailable")),
    "receiveGithub": Operation(errors=_DELIVERY),
    "receiveForApp": Operation(errors=_DELIVERY),
    "getWebhook": Operation(errors=("source_not_available", "app_deleting")),
    "listDeliveries": Operation(),
    "redeliver": Operation(errors=("app_deleting", "delivery_not_kept")),
}
