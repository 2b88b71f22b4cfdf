"""GitHub's webhooks: https://docs.github.com/webhooks/webhook-events-and-payloads."""

import msgspec

from services.api.webhooks import signatures
from services.api.webhooks.events import Came, Commit, Other, PullRequest, Push, Said, changed, decode
from services.api.webhooks.provider import WebhookProvider

_MOST_COMMITS = 2048
"""GitHub lists no more of them: of a longer push nobody knows all the files."""


class _Repository(msgspec.Struct):
    full_name: str
    default_branch: str = ""


class _Sender(msgspec.Struct):
    login: str = ""


class _Push(msgspec.Struct):
    ref: str
    before: str
    after: str
    repository: _Repository
    forced: bool = False
    created: bool = False
    head_commit: Commit | None = None
    commits: list[Commit] = []
    sender: _Sender = msgspec.field(default_factory=_Sender)


class _Side(msgspec.Struct):
    ref: str
    sha: str
    repo: _Repository | None = None


class _Pull(msgspec.Struct):
    title: str
    head: _Side
    base: _Side


class _PullEvent(msgspec.Struct):
    action: str
    number: int
    pull_request: _Pull
    repository: _Repository
    sender: _Sender = msgspec.field(default_factory=_Sender)


class _Any(msgspec.Struct):
    repository: _Repository | None = None


def is_signed(came: Came, secret: str) -> bool:
    given = came.headers.get("x-hub-signature-256", "")
    return given.startswith("sha256=") and signatures.of_body(secret, came.body, given)


def repo_of(body: bytes) -> str:
    """The repository that a delivery names, signed or not; empty where it names none."""
    try:
        found = msgspec.json.decode(body, type=_Any).repository
    except msgspec.DecodeError:
        return ""
    return found.full_name if found else ""


def read(came: Came) -> Said:
    event = came.headers.get("x-github-event", "")
    if event == "push":
        return read_push(came.body)
    if event == "pull_request":
        return _pull(decode(came.body, _PullEvent))
    return Other(event=event, repo=repo_of(came.body))


def read_push(body: bytes) -> Push:
    """A push as GitHub says it; Gitea says it in the same words."""
    push = decode(body, _Push)
    is_whole = bool(push.commits) and not push.forced and not push.created and len(push.commits) < _MOST_COMMITS
    newest = push.head_commit or (push.commits[-1] if push.commits else Commit())
    return Push(
        repo=push.repository.full_name,
        ref=push.ref,
        before=push.before,
        after=push.after,
        default_branch=push.repository.default_branch,
        message=newest.message,
        sender=push.sender.login,
        paths=changed(push.commits) if is_whole else None,
    )


def _pull(event: _PullEvent) -> PullRequest:
    pull = event.pull_request
    return PullRequest(
        repo=event.repository.full_name,
        action=event.action,
        number=event.number,
        title=pull.title,
        base=pull.base.ref,
        head=pull.head.ref,
        head_repo=pull.head.repo.full_name if pull.head.repo else "",  # a fork that was deleted
        commit=pull.head.sha,
        sender=event.sender.login,
    )


GITHUB = WebhookProvider(is_signed, read, "x-github-delivery", "x-github-event", ("push", "pull_request"))
