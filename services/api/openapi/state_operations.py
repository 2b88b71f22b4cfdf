"""Entries for projects, apps, deployments, events and logs; see `operations`."""

from services.api.apps.plans import Plan
from services.api.apps.schemas import App, AppGone
from services.api.deployments.schemas import DeployBody, DeployBySlugBody, Deployment
from services.api.openapi.operation import Operation
from services.api.projects.schemas import ProjectGone

_SETTINGS = ("read_only_field", "masked_value", "image_with_git")
_DEPLOY = (
    "nothing_to_deploy",
    "image_not_kept",
    "source_not_available",
    "app_deleting",
    "deployment_failed",
    "deployment_superseded",
    "deployment_cancelled",
)
_UPLOAD = ("empty_upload", "upload_invalid", "upload_incomplete", "upload_too_large", "disk_full")
_DEPLOY_ANSWERS = {200: Deployment | Plan, 202: Deployment}
_FRAMES = """Switching protocols. Each text frame is one line, a LogEntry as in the JSON answer: first what is kept, then what comes.

The server closes with 1000 a second after the deployment has ended, with 1008 when the token ends; what the client sends is ignored."""
_LIFECYCLE = Operation(errors=("app_deleting", "app_not_running"), answers={200: App, 202: App})

OPERATIONS: dict[str, Operation] = {
    "listProjects": Operation(),
    "createProject": Operation(),
    "getProject": Operation(),
    "updateProject": Operation(errors=("read_only_field",)),
    "deleteProject": Operation(errors=("project_not_empty",), answers={200: ProjectGone, 202: ProjectGone}),
    "listMembers": Operation(),
    "setMember": Operation(errors=("conflict",)),
    "removeMember": Operation(),
    "listProjectApps": Operation(),
    "createApp": Operation(errors=("slug_taken", "quota_exceeded", *_SETTINGS), answers={200: Plan, 201: App}),
    "listApps": Operation(),
    "getApp": Operation(),
    "updateApp": Operation(
        errors=("precondition_failed", "app_deleting", "memory_in_use", "quota_exceeded", *_SETTINGS), answers={200: App | Plan}
    ),
    "deleteApp": Operation(errors=("precondition_failed",), answers={200: AppGone | Plan, 202: App}),
    "deployApp": Operation(errors=(*_DEPLOY, *_UPLOAD, "image_with_git"), answers=_DEPLOY_ANSWERS, body=DeployBody, uploads=True),
    "deployBySlug": Operation(
        errors=(*_DEPLOY, *_UPLOAD, "slug_taken", "memory_in_use", "quota_exceeded", *_SETTINGS),
        answers=_DEPLOY_ANSWERS,
        body=DeployBySlugBody,
        uploads=True,
    ),
    "uploadImage": Operation(
        errors=tuple(code for code in (*_DEPLOY, *_UPLOAD) if code not in {"nothing_to_deploy", "source_not_available", "image_not_kept"}),
        answers=_DEPLOY_ANSWERS,
        uploads=True,
    ),
    "listDeployments": Operation(),
    "getDeployment": Operation(),
    "getDeploymentLogs": Operation(errors=("cursor_expired", "logs_unavailable"), texts=("text/event-stream", "text/plain")),
    "streamDeploymentLogs": Operation(errors=("cursor_expired", "logs_unavailable", "upgrade_required"), frames=_FRAMES),
    "getDeploymentDockerfile": Operation(texts=("text/plain",)),
    "startApp": _LIFECYCLE,
    "stopApp": _LIFECYCLE,
    "restartApp": _LIFECYCLE,
    "pauseApp": _LIFECYCLE,
    "unpauseApp": _LIFECYCLE,
    "cancelDeployment": Operation(errors=("app_deleting", "deployment_ended")),
    "rollBackApp": Operation(errors=(*_DEPLOY, "nothing_to_roll_back_to", "image_not_kept"), answers=_DEPLOY_ANSWERS),
    "listRegistries": Operation(),
    "createRegistry": Operation(errors=("quota_exceeded", "masked_value")),
    "getRegistry": Operation(),
    "updateRegistry": Operation(errors=("read_only_field", "masked_value")),
    "deleteRegistry": Operation(),
    "checkRegistry": Operation(errors=("builder_unavailable",)),
    "getEnv": Operation(),
    "setEnv": Operation(errors=("app_deleting", "masked_value", "nothing_to_deploy", "image_not_kept")),
    "listEvents": Operation(errors=("cursor_expired",), texts=("text/event-stream",)),
    "listAppEvents": Operation(errors=("cursor_expired",), texts=("text/event-stream",)),
    "getAppStats": Operation(errors=("stats_unavailable",)),
    "getAppStatsHistory": Operation(errors=("stats_unavailable",)),
    "getAppLogs": Operation(errors=("runtime_unavailable",), texts=("text/plain",)),
}
