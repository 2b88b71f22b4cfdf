"""Parameters: what Litestar says of them, tidied, and the headers that it does not know of."""

from typing import Any

Json = dict[str, Any]

_PATH = {
    "app": "The app's id or its slug.",
    "slug": "The app's slug.",
    "project_id": "The project's id.",
    "user_id": "The user's id; to add a member, their email does too.",
    "key_id": "The API key's id.",
    "registry_id": "The registry's id.",
    "volume_id": "The volume's id.",
    "backup": "The backup's name.",
    "session_id": "The session's id.",
    "deployment_id": "The deployment's id.",
    "connection_id": "The connection's id.",
    "name": "The domain's name.",
    "notification_id": "The notification's id.",
    "delivery_id": "The delivery's id.",
    "run_id": "The run's id.",
    "job_id": "The job's id.",
    "provider": "The host that sends it: `github`, `gitlab` or `gitea`.",
    "code": "An error code, as in `code` of a problem.",
}
_NOISE = ("deprecated", "allowEmptyValue", "allowReserved")

IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gives the first answer again, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "deploy-2026-01-31-1",
}


def tidy(parameter: Json) -> Json:
    kept = {name: value for name, value in parameter.items() if name not in _NOISE}
    if kept["in"] == "path":
        kept["description"] = _PATH[kept["name"]]
    schema = kept.get("schema", {})
    schema.pop("description", None)
    if "oneOf" in schema:  # an optional parameter is left out, never null
        schema = {**{k: v for k, v in schema.items() if k != "oneOf"}, **next(s for s in schema["oneOf"] if s.get("type") != "null")}
    return {**kept, "schema": schema}
