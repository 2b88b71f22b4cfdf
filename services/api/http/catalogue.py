"""Every error code that the API, the proxy and deployments give, with what it means and what to do next. `GET /errors` shows this table."""

import msgspec

from libs.common.errors import FAILURES


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One entry.

    `status` is the HTTP status that it mostly comes with, None for the failure codes of deployments, which are never an answer's own;
    `statuses` are all that it may come with. `retryable`: the same request may succeed later.
    """

    code: str
    status: int | None
    statuses: tuple[int, ...] = ()
    title: str
    hint: str
    retryable: bool = False


def _code(status: int, code: str, title: str, hint: str, *, retryable: bool = False, also: tuple[int, ...] = ()) -> Code:
    return Code(code=code, status=status, statuses=(status, *also), title=title, hint=hint, retryable=retryable)


_REQUEST = (
    _code(400, "malformed_request", "The request could not be read", "Correct what the detail names and send it again."),
    _code(400, "malformed_json", "The body is not valid JSON", "Send one JSON object in UTF-8, each name once, without NaN or Infinity."),
    _code(400, "validation_failed", "A value does not fit", "Correct the fields in errors; the OpenAPI document has their grammar."),
    _code(400, "unknown_field", "The body has a field that does not exist", "Remove or rename the fields in errors."),
    _code(400, "unknown_parameter", "The query has a parameter that does not exist", "Remove or rename the parameters in errors."),
    _code(400, "read_only_field", "A read-only field was changed", "Leave the fields in errors out, or send them back unchanged."),
    _code(400, "masked_value", "A masked value was sent back", "Send the real value, or leave the field out to keep it."),
    _code(400, "image_with_git", "image and git_repo_url exclude each other", "Send one of the two; clear the other with null."),
    _code(
        400,
        "host_path_refused",
        "A volume is never a path of the server",
        "Send a name such as data; mount_path says where it stands in the container.",
    ),
    _code(400, "mount_path_refused", "A volume cannot stand there", "Choose a folder of the app's own, such as /data."),
    _code(
        400,
        "archive_refused",
        "The archive cannot be restored",
        "Send a whole tar archive of plain files, folders and links that stay below its root, such as GET …/archive gives.",
    ),
    _code(400, "invalid_cursor", "The cursor is not one that a list gave", "Start again without cursor."),
    _code(
        400,
        "empty_upload",
        "The upload is empty",
        "Check the command before the pipe; to deploy the app as it is configured, send no body and no Content-Type.",
    ),
    _code(
        400,
        "upload_invalid",
        "The upload is no image that can be taken",
        "Send the output of docker save for exactly one image: docker save NAME:TAG.",
    ),
    _code(400, "oauth_failed", "The account was not connected", "Begin again: GET /api/v1/git/authorize/github."),
    _code(400, "delivery_unreadable", "The delivery is not what this host sends", "Use the webhook's content type application/json."),
    _code(400, "upload_incomplete", "The body did not arrive whole", "Send it again.", retryable=True),
    _code(404, "not_found", "There is nothing here", "Check the id or slug and the path; GET /api/v1/openapi.json lists every route."),
    _code(405, "method_not_allowed", "This path does not take this method", "Use a method that the Allow header names."),
    _code(413, "body_too_large", "The body is too large", "Send a smaller body."),
    _code(413, "upload_too_large", "The upload is too large", "Make the image smaller; DOCKUP_UPLOAD_MAX_MB is the limit."),
    _code(415, "unsupported_media_type", "The body's type is not taken here", "Send application/json and say so in Content-Type."),
)

_ACCESS = (
    _code(
        401,
        "unauthenticated",
        "A valid token is needed",
        "Send Authorization: Bearer with an API key or the token of POST /api/v1/auth/login.",
    ),
    _code(
        401, "invalid_credentials", "Email or password is wrong", "Check both; an admin can set a new password with PUT /api/v1/users/{id}."
    ),
    _code(
        401,
        "signature_invalid",
        "The delivery is not signed as it should be",
        "Put the secret of GET /api/v1/apps/{app}/webhook into the webhook at the host, or DOCKUP_GITHUB_WEBHOOK_SECRET into both.",
    ),
    _code(403, "forbidden", "The token may not do this", "Use a token with the scope or role that the detail names."),
    _code(403, "registration_closed", "Registration is closed", "Ask an admin for an account: POST /api/v1/users."),
    _code(429, "too_many_sessions", "The app has too many sessions open", "Close one of them, or try again soon.", retryable=True),
    _code(429, "rate_limited", "Too many requests", "Wait as long as Retry-After says.", retryable=True),
)

_STATE = (
    _code(409, "conflict", "The present state does not allow this", "Read the resource again and decide anew."),
    _code(409, "slug_taken", "The slug is in use or was used by another project", "Choose another slug, or update the app that has it."),
    _code(409, "email_taken", "A user with this email exists", "Use another email, or PUT /api/v1/users/{id} to change that user."),
    _code(
        409,
        "nothing_to_deploy",
        "The app has neither an image nor a repository",
        "Set image or git_repo_url with PUT /api/v1/apps/{app}, or send an image with the deploy.",
    ),
    _code(409, "source_not_available", "This app cannot be deployed from that source", "Set git_repo_url, or deploy an image."),
    _code(
        409,
        "image_not_kept",
        "The image is not kept any more",
        "Deploy another image or upload it again; DOCKUP_KEEP_RELEASES says how many releases keep theirs.",
    ),
    _code(409, "git_not_connected", "GitHub is not connected", "Open authorize_url in a browser and agree, then ask again."),
    _code(
        409,
        "github_not_configured",
        "This server has no access to GitHub set up",
        "An admin sets DOCKUP_GITHUB_CLIENT_ID and DOCKUP_GITHUB_CLIENT_SECRET; docs/git.md says how.",
    ),
    _code(409, "delivery_not_kept", "The delivery cannot be judged again", "Have the host send it again; a rejected one was never read."),
    _code(409, "shared_variable_in_use", "An app refers to the shared variable", "Take it out of that app's env first."),
    _code(409, "project_not_empty", "The project has apps", "Delete its apps first, or send cascade=true."),
    _code(409, "quota_exceeded", "The project may not have that much", "Ask for less, or have an admin raise the project's quota."),
    _code(
        409,
        "capacity_exceeded",
        "The machine cannot hold that many replicas",
        "Ask for fewer replicas or a lower memory_limit; the detail says what is free.",
    ),
    _code(409, "last_admin", "There must be one admin", "Make another user admin first."),
    _code(
        409,
        "domain_taken",
        "The domain is in use",
        "If it is yours, put the TXT record of verification into its zone and add it again.",
    ),
    _code(409, "app_deleting", "The app is being deleted", "Wait until GET answers 404, then create it anew."),
    _code(
        409,
        "app_not_running",
        "The app is not running",
        "Start or deploy the app; its status_reason says why it does not run.",
        also=(503,),
    ),
    _code(
        409,
        "codex_not_configured",
        "Coding sessions are not set up",
        "The operator names an image in DOCKUP_CODEX_IMAGE; compose/Dockerfile.codex makes one.",
    ),
    _code(409, "codex_key_missing", "You have stored no key for the model's API", "Store yours: PUT /api/v1/auth/codex-key."),
    _code(422, "exec_failed", "The command could not be started", "Name a program that is in the image: ?cmd=/bin/sh."),
    _code(
        409,
        "deployment_superseded",
        "A newer deployment took its place",
        "Follow the newer deployment: GET /api/v1/apps/{app}/deployments.",
    ),
    _code(409, "deployment_cancelled", "The deployment was cancelled", "Deploy again if it is still wanted."),
    _code(409, "deployment_ended", "The deployment has ended", "Read its status; roll back to go back to the release before it."),
    _code(409, "nothing_to_run", "No deployment was live yet", "Deploy the app first: a run has the image and env of what is live."),
    _code(409, "run_ended", "The run has ended", "Read its status and exit_code."),
    _code(409, "nothing_to_roll_back_to", "No earlier deployment was live", "Choose a deployment of this app that was live, or deploy."),
    _code(409, "volume_exists", "The app has a volume of that name", "Choose another name, or change the one that is there with PUT."),
    _code(
        409, "volume_purging", "The volume's data is being destroyed", "Try again when it is gone, or choose another name.", retryable=True
    ),
    _code(
        409,
        "volume_in_use",
        "The volume is mounted",
        "Delete it without purge, deploy the app, then purge it; or delete the app with purge_volumes=true.",
    ),
    _code(409, "mount_path_taken", "Another volume stands there", "Choose a folder that is neither in nor above another volume's."),
    _code(
        409,
        "volume_one_writer",
        "A volume with one writer takes one replica",
        "Set replicas and max_replicas to 1, or set shared on the volume if the app can share its data.",
    ),
    _code(409, "memory_in_use", "The limit is under what is in use", "Choose a higher memory_limit, or have the app use less first."),
    _code(410, "cursor_expired", "The cursor is outside of what is kept", "Start again with after set to restart_after."),
    _code(412, "precondition_failed", "The resource changed since it was read", "Read it again, take its new ETag, and repeat the change."),
    _code(422, "deployment_failed", "The deployment failed", "Read deployment.failure: it has the code, the evidence and a hint."),
    _code(426, "upgrade_required", "This address speaks WebSocket", "Open it with a WebSocket client, and the token in the query."),
    _code(422, "idempotency_key_reused", "The Idempotency-Key was used with another request", "Use a new key for a new request."),
)

_SERVER = (
    _code(500, "internal_error", "Dockup itself failed", "Try again; report it with the request_id if it happens twice.", retryable=True),
    _code(
        503,
        "recovery_needed",
        "The database is older than what runs",
        "An admin decides on the server: dockup recover shows how they differ, --adopt lets what runs win, --enforce the database.",
    ),
    _code(
        503,
        "runtime_unavailable",
        "The runtime does not answer",
        "Try again soon; GET /api/v1/system/status shows what is away.",
        retryable=True,
    ),
    _code(
        503,
        "github_unavailable",
        "GitHub does not answer as it should",
        "Try again soon; Retry-After says when, where GitHub says it.",
        retryable=True,
    ),
    _code(507, "disk_full", "The disk is full", "Free disk space on the server, then send it again.", retryable=True),
    _code(
        503,
        "stats_unavailable",
        "What the app uses is not known now",
        "Try again soon; GET /api/v1/system/status shows what is away, and GET /api/v1/apps/{app} the last sync.",
        retryable=True,
    ),
    _code(
        503,
        "builder_unavailable",
        "The builder does not answer",
        "Try again soon; GET /api/v1/system/status shows what is away.",
        retryable=True,
    ),
    _code(
        503,
        "logs_unavailable",
        "The log cannot be read now",
        "Try again soon; GET /api/v1/system/status shows what is away.",
        retryable=True,
    ),
    _code(
        503,
        "database_unavailable",
        "The database does not answer",
        "Try again soon; GET /api/v1/system/status shows what is away.",
        retryable=True,
    ),
)

_PROXY = (
    _code(400, "bad_request", "The request is not valid HTTP", "Send a well-formed request."),
    _code(404, "unknown_host", "Nothing answers at this address", "Check the address; the app's url field is the one that answers."),
    _code(
        401,
        "app_needs_password",
        "The app asks for a password",
        "Send them by HTTP's basic authentication; the app's owner gives them out.",
    ),
    _code(503, "app_in_maintenance", "The app is being worked on", "Try again later; Retry-After says when.", retryable=True),
    _code(408, "request_timeout", "The request came too slowly", "Send it again.", retryable=True),
    _code(
        503,
        "app_waking",
        "The app is waking up",
        "Try again in a few seconds; if it stays so, status_reason and the app's logs say why it does not start.",
        retryable=True,
    ),
    _code(503, "app_paused", "The app is paused", "Unpause the app: POST /api/v1/apps/{app}/unpause.", retryable=True),
    _code(502, "app_broken_answer", "The app's answer was not usable", "Read the app's logs around this moment."),
    _code(503, "app_unreachable", "The app did not take the connection", "Try again; if it stays so, read the app's logs.", retryable=True),
    _code(504, "app_timeout", "The app did not answer in time", "Read the app's logs."),
    _code(
        503,
        "api_unavailable",
        "The API is not available",
        "Try again in a few seconds; the server's operator finds more with dockup status.",
        retryable=True,
        also=(502, 504),
    ),
)
"""What the proxy answers by itself, in front of apps and of this API."""

_FAILURES = tuple(
    Code(code=entry.code, status=None, title=entry.title, hint=entry.hint, retryable=entry.retryable) for entry in FAILURES.values()
)

CATALOGUE: dict[str, Code] = {entry.code: entry for entry in (*_FAILURES, *_REQUEST, *_ACCESS, *_STATE, *_SERVER, *_PROXY)}
"""By code. Where a code is a failure's and an answer's (`internal_error`), the answer's entry stands."""
