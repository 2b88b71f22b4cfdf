"""What a delivery says, whichever host it came from. Kept as JSON with the delivery, so that it can be judged again."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as it came: `event` is the host's word for it, `delivery` the host's id of it. `headers` are in lower case."""

    provider: str
    headers: dict[str, str]
    body: bytes


class Push(msgspec.Struct, frozen=True, kw_only=True, tag="push"):
    """`ref` is `refs/heads/…` or `refs/tags/…`; `paths` are the files that changed, None where the host does not say which."""

    repo: str
    ref: str
    before: str
    after: str
    default_branch: str
    message: str = ""
    sender: str = ""
    paths: list[str] | None = None

    @property
    def is_deletion(self) -> bool:
        return not self.after.strip("0")


class PullRequest(msgspec.Struct, frozen=True, kw_only=True, tag="pull_request"):
    """`repo` is where it is to go to, `head_repo` where it comes from; `base` and `head` are branches, `commit` is the newest."""

    repo: str
    action: str
    number: int
    title: str
    base: str
    head: str
    head_repo: str
    commit: str
    sender: str = ""

    @property
    def is_fork(self) -> bool:
        return self.head_repo.lower() != self.repo.lower()


class Other(msgspec.Struct, frozen=True, kw_only=True, tag="other"):
    """An event that nothing follows from."""

    event: str
    repo: str = ""


Said = Push | PullRequest | Other
decoder = msgspec.json.Decoder(Said)


class Unreadable(ValueError):
    """The body is not what this host sends; the message says what is wrong with it."""


class Commit(msgspec.Struct):
    """A commit as GitHub, Gitea and GitLab tell of it in a push: its message and the files that it touched."""

    message: str = ""
    added: list[str] = []
    removed: list[str] = []
    modified: list[str] = []


def changed(commits: Iterable[Commit]) -> list[str]:
    """The files that the commits touched, each once."""
    return sorted({path for commit in commits for path in (*commit.added, *commit.removed, *commit.modified)})


def decode(body: bytes, kind: type[T]) -> T:
    """`Unreadable` for what is none of `kind`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from error
