"""Entries for coding sessions; see `operations`."""

from services.api.openapi.operation import Operation

_FRAMES = """Switching protocols. The frames are those of exec: binary ones are bytes both ways, text ones control.

Beside them the server says `{"type":"pushed","branch":"dockup/codex-3f9a0c1b2d","commit":"…"}` when the git host took a push
of the session; with `preview=true` it has `app`, `url` and `deployment_id` of the preview, or in `detail` why there is none.
The header `Dockup-Branch` of the answer names the one branch that the session can push to, `Dockup-Replica` its container.
The session ends as one of exec does, for the same reasons, and with `disk_full` (close 1000) when it wrote more than it may; `idle` is for
terminals alone. Its container goes with it."""

OPERATIONS: dict[str, Operation] = {
    "codeApp": Operation(
        errors=(
            "app_deleting",
            "codex_not_configured",
            "codex_key_missing",
            "too_many_sessions",
            "runtime_unavailable",
            "recovery_needed",
            "upgrade_required",
        ),
        frames=_FRAMES,
    ),
    "getCodexKey": Operation(),
    "setCodexKey": Operation(errors=("masked_value", "conflict")),
    "deleteCodexKey": Operation(),
}
