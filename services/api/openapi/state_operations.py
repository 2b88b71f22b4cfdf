"""Entries for projects, apps, deployments, events and logs; see `operations`."""

from services.api.apps.plans import Plan
from services.api.apps.schemas import App, AppGone
from services.api.deployments.schemas import DeployBody, DeployBySlugBody, Deployment
from services.api.logs.schemas import Logs, LogSummary
from services.api.openapi.operation import Operation
from services.api.projects.schemas import ProjectGone
from services.api.volumes.schemas import Volume, VolumeGone

_SETTINGS = ("read_only_field", "masked_value", "image_with_git")
_TOO_MUCH = ("quota_exceeded", "capacity_exceeded")
_VOLUME = ("app_deleting", "mount_path_refused", "mount_path_taken", "volume_one_writer", "quota_exceeded")
_PURGE = {200: Volume | VolumeGone | Plan, 202: Volume}
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
_LINES = """Switching protocols. Each text frame is one line as in the JSON answer: `{"at","stream","replica","message"}`; first the last
`tail` lines, then what comes, of all replicas, in order. `{"type":"missed","lines":N}` stands where N lines were left out, because the
client reads more slowly than the app writes or the app writes more than can be read.

The server closes with 1008 when the token or the app ends, with 1011 when the runtime does; go on with `since`, the `at` of the last
line, which comes once more. What the client sends is ignored."""
_EXEC_FRAMES = """Switching protocols. Binary frames are bytes: input from the client, output from the server.

Text frames from the client are control: `{"type":"resize","cols":80,"rows":24}` sets the terminal's size, `{"type":"stdin","data":"ls\\n"}`
is input as text, and with `"eof":true` the last of it (without a terminal). Any other text frame is taken as input.
Without a terminal the binary frames are standard output alone; standard error comes as `{"type":"stderr","data":"…"}`, in UTF-8.
The server ends with `{"type":"exit","code":7}` and closes with 1000. A session that ends before its process does has `"code":null` and a
`reason`: `idle`, `time_limit`, `replica_ended` (with the code, where there is one), `app_deleting` (close 1000), `unauthenticated`,
`forbidden` (1008), `peer_lost`, `broken`, `runtime_stopped` (1011). The process and what it began are then ended.
The header `Dockup-Replica` of the answer names the replica."""
_EXEC = (
    "app_deleting",
    "app_not_running",
    "exec_failed",
    "too_many_sessions",
    "runtime_unavailable",
    "recovery_needed",
    "upgrade_required",
)
_LIFECYCLE = Operation(errors=("app_deleting", "app_not_running"), answers={200: App, 202: App})

OPERATIONS: dict[str, Operation] = {
    "listProjects": Operation(),
    "createProject": Operation(),
    "getProject": Operation(),
    "updateProject": Operation(errors=("read_only_field", "precondition_failed")),
    "deleteProject": Operation(errors=("project_not_empty",), answers={200: ProjectGone, 202: ProjectGone}),
    "listMembers": Operation(),
    "setMember": Operation(errors=("conflict", "rate_limited")),
    "removeMember": Operation(),
    "listProjectApps": Operation(),
    "createApp": Operation(errors=("slug_taken", *_TOO_MUCH, *_SETTINGS), answers={200: Plan, 201: App}),
    "listApps": Operation(),
    "getApp": Operation(),
    "updateApp": Operation(
        errors=("precondition_failed", "app_deleting", "memory_in_use", "volume_one_writer", *_TOO_MUCH, *_SETTINGS),
        answers={200: App | Plan},
    ),
    "deleteApp": Operation(errors=("precondition_failed",), answers={200: AppGone | Plan, 202: App}),
    "deployApp": Operation(errors=(*_DEPLOY, *_UPLOAD, "image_with_git"), answers=_DEPLOY_ANSWERS, body=DeployBody, uploads=True),
    "deployBySlug": Operation(
        errors=(*_DEPLOY, *_UPLOAD, "slug_taken", "memory_in_use", "volume_one_writer", *_TOO_MUCH, *_SETTINGS),
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
    "rollBackApp": Operation(errors=(*_DEPLOY, "nothing_to_roll_back_to", "image_not_kept", "volume_one_writer"), answers=_DEPLOY_ANSWERS),
    "listVolumes": Operation(),
    "createVolume": Operation(errors=("host_path_refused", "volume_exists", "volume_purging", *_VOLUME)),
    "getVolume": Operation(),
    "updateVolume": Operation(errors=("read_only_field", "volume_purging", *_VOLUME)),
    "deleteVolume": Operation(errors=("app_deleting", "volume_in_use"), answers=_PURGE),
    "deleteVolumeByName": Operation(errors=("app_deleting", "volume_in_use"), answers=_PURGE),
    "getVolumeArchive": Operation(
        errors=("app_deleting", "volume_purging", "too_many_sessions", "runtime_unavailable"), texts=("application/x-tar",)
    ),
    "restoreVolume": Operation(
        errors=(
            "app_deleting",
            "volume_purging",
            "conflict",
            "archive_refused",
            "empty_upload",
            "upload_incomplete",
            "unsupported_media_type",
            "disk_full",
            "too_many_sessions",
            "runtime_unavailable",
        ),
        answers={200: Volume, 202: Volume},
        archive=True,
    ),
    "listVolumeBackups": Operation(),
    "backUpVolume": Operation(
        errors=("app_deleting", "volume_purging", "quota_exceeded", "disk_full", "runtime_unavailable"), answers={200: Volume, 202: Volume}
    ),
    "restoreVolumeBackup": Operation(
        errors=("app_deleting", "volume_purging", "conflict", "archive_refused", "disk_full", "too_many_sessions", "runtime_unavailable"),
        answers={200: Volume, 202: Volume},
    ),
    "deleteVolumeBackup": Operation(errors=("app_deleting",)),
    "listProjectVolumes": Operation(),
    "purgeProjectVolume": Operation(answers={200: VolumeGone, 202: Volume}),
    "listRegistries": Operation(),
    "createRegistry": Operation(errors=("quota_exceeded", "masked_value")),
    "getRegistry": Operation(),
    "updateRegistry": Operation(errors=("read_only_field", "masked_value")),
    "deleteRegistry": Operation(),
    "checkRegistry": Operation(errors=("builder_unavailable",)),
    "getAutoscale": Operation(),
    "updateAutoscale": Operation(errors=("precondition_failed", "app_deleting", "read_only_field", "volume_one_writer", *_TOO_MUCH)),
    "getEnv": Operation(),
    "setEnv": Operation(errors=("precondition_failed", "app_deleting", "masked_value", "nothing_to_deploy", "image_not_kept")),
    "importEnv": Operation(errors=("app_deleting", "masked_value", "nothing_to_deploy", "image_not_kept")),
    "getSharedEnv": Operation(),
    "setSharedEnv": Operation(errors=("precondition_failed", "masked_value", "shared_variable_in_use")),
    "listEvents": Operation(errors=("cursor_expired",), texts=("text/event-stream",)),
    "listAppEvents": Operation(errors=("cursor_expired",), texts=("text/event-stream",)),
    "execApp": Operation(errors=_EXEC, frames=_EXEC_FRAMES),
    "getAppStats": Operation(errors=("stats_unavailable",)),
    "getAppStatsHistory": Operation(errors=("stats_unavailable",)),
    "getAppMetrics": Operation(errors=("stats_unavailable",), texts=("text/plain",)),
    "streamAppLogs": Operation(errors=("runtime_unavailable", "too_many_sessions", "upgrade_required"), frames=_LINES),
    "getAppLogs": Operation(errors=("runtime_unavailable",), answers={200: Logs | LogSummary}, texts=("text/plain",)),
}
