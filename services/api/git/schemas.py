"""What the routes of git connections give."""

import msgspec

from services.api.http.strict import Page


class Authorize(msgspec.Struct, frozen=True, kw_only=True):
    """Open `authorize_url` in a browser and agree; it is good for one use until `expires_at`."""

    authorize_url: str
    expires_at: str


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """An account at a git host that you connected. `problem`: why it does not do any more, null while it does."""

    id: str
    provider: str
    server: str
    account: str
    scopes: list[str]
    problem: str | None
    created_at: str


class ConnectionPage(Page, frozen=True, kw_only=True):
    items: list[Connection]


class Repo(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that your connected account sees. `full_name` is what `git_repo_url` of an app takes."""

    full_name: str
    private: bool
    default_branch: str | None
    description: str | None
    url: str
    pushed_at: str | None


class RepoPage(Page, frozen=True, kw_only=True):
    items: list[Repo]
