"""GitLab's webhooks: https://docs.gitlab.com/user/project/integrations/webhook_events."""

import msgspec

from services.api.webhooks import signatures
from services.api.webhooks.events import Came, Commit, Other, Push, Said, changed, decode
from services.api.webhooks.provider import WebhookProvider

_PUSHES = {"Push Hook", "Tag Push Hook"}


class _Project(msgspec.Struct):
    path_with_namespace: str
    default_branch: str | None = None


class _Push(msgspec.Struct):
    ref: str
    before: str
    after: str
    project: _Project
    commits: list[Commit] = []
    total_commits_count: int = 0
    user_username: str = ""


def _is_signed(came: Came, secret: str) -> bool:
    return signatures.of_token(secret, came.headers.get("x-gitlab-token", ""))


def _read(came: Came) -> Said:
    event = came.headers.get("x-gitlab-event", "")
    if event not in _PUSHES:
        return Other(event=event)
    push = decode(came.body, _Push)
    is_whole = bool(push.commits) and len(push.commits) == push.total_commits_count and bool(push.before.strip("0"))
    return Push(
        repo=push.project.path_with_namespace,
        ref=push.ref,
        before=push.before,
        after=push.after,
        default_branch=push.project.default_branch or "",
        message=push.commits[-1].message if push.commits else "",
        sender=push.user_username,
        paths=changed(push.commits) if is_whole else None,
    )


GITLAB = WebhookProvider(_is_signed, _read, "x-gitlab-event-uuid", "x-gitlab-event", ("push", "tag_push"))
