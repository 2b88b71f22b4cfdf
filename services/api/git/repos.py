"""Asking GitHub on behalf of a user who waits for the answer."""

from typing import Any

from services.api.core import Core
from services.api.git import connections, oauth
from services.api.git.models import GitConnectionRow
from services.api.git.schemas import Repo, RepoPage
from services.api.http.principal import Principal
from services.api.http.problems import Problem

_PAGE = 100
_MOST_PAGES = 10
_UNAUTHORIZED = 401


async def page(core: Core, principal: Principal, search: str | None, limit: int, cursor: str | None) -> RepoPage:
    """Repositories from `cursor` on. `409 git_not_connected` with `authorize_url`, `503 github_unavailable`.

    A search looks through a thousand at most at a time: then the page has fewer, and a cursor to go on from.
    """
    number, skip = _read(cursor)
    found: list[Repo] = []
    for _ in range(_MOST_PAGES):
        query: dict[str, str | int] = {"sort": "pushed", "per_page": _PAGE, "page": number}
        items: list[dict[str, Any]] = await _ask(core, principal, "/user/repos", query)
        for offset, item in enumerate(items[skip:], skip):
            if len(found) == limit:
                return RepoPage(items=found, next_cursor=f"{number}.{offset}")
            if search is None or search.lower() in item["full_name"].lower():
                found.append(_view(item))
        if len(items) < _PAGE:
            return RepoPage(items=found)
        number, skip = number + 1, 0
    return RepoPage(items=found, next_cursor=f"{number}.0")


async def revoke(core: Core, row: GitConnectionRow) -> None:
    """Have GitHub forget the token. `503 github_unavailable`: then nothing was done."""
    github = core.hub.github()
    from services.api.git.github.client import Away, Refused, Token  # noqa: PLC0415 - loaded by the line before

    try:
        await github.revoke(core.vault.open(row.token, Token).access_token)
    except (Away, Refused) as error:
        raise Problem("github_unavailable", f"The token was not revoked. {error}.") from error


async def _ask(core: Core, principal: Principal, path: str, query: dict[str, str | int]) -> Any:  # noqa: ANN401 - JSON
    github = core.hub.github()
    from services.api.git.github.client import Away, Refused, Token  # noqa: PLC0415 - loaded by the line before

    async with core.db.connect() as connection:
        found = await connections.of_user(connection, principal.user_id)
    if found is None:
        raise await _not_connected(core, principal, "You have not connected GitHub.")
    try:
        return await github.call("GET", path, core.vault.open(found.token, Token).access_token, None, **query)
    except Refused as error:
        if error.status == _UNAUTHORIZED:
            raise await _not_connected(core, principal, "GitHub does not take your token any more.") from error
        raise Problem("github_unavailable", f"{error}.") from error
    except Away as error:
        headers = {"Retry-After": str(int(error.seconds) + 1)} if error.seconds else {}
        raise Problem("github_unavailable", f"{error}.", headers=headers) from error


async def _not_connected(core: Core, principal: Principal, detail: str) -> Problem:
    url = f"{core.settings.url}/api/v1/git/authorize/github"
    if principal.may("write"):
        url, _ = await oauth.begin(core, principal, in_browser=False)
    return Problem("git_not_connected", detail, authorize_url=url)


def _view(item: dict[str, Any]) -> Repo:
    return Repo(
        full_name=item["full_name"],
        private=item["private"],
        default_branch=item.get("default_branch"),
        description=item.get("description"),
        url=item["html_url"],
        pushed_at=item.get("pushed_at"),
    )


def _read(cursor: str | None) -> tuple[int, int]:
    number, _, offset = (cursor or "1.0").partition(".")
    if (
        not (number.isdecimal() and offset.isdecimal() and number.isascii() and offset.isascii())
        or not int(number[:9]) >= 1
        or int(offset[:9]) > _PAGE
    ):
        raise Problem("invalid_cursor")
    return int(number[:9]), int(offset[:9])
