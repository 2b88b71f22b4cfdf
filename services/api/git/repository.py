"""Addresses of repositories: one spelling for each, and from it what git is told and what people open."""

import re
from urllib.parse import unquote

import msgspec

from services.api.git.provider import Provider
from services.api.git.providers import PROVIDERS
from services.api.git.providers.git import GIT
from services.api.git.providers.github import GITHUB
from services.api.http.problems import Problem, invalid

_POINTER = "/git_repo_url"
_PART = r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}"
_SHORT = re.compile(rf"{_PART}(?:/{_PART})+")
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]"
_WHOLE = re.compile(rf"(?P<base>https?://(?:{_HOST})(?::[0-9]{{1,5}})?)/(?P<path>[A-Za-z0-9_.~%+/-]+)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")


class Repository(msgspec.Struct, frozen=True):
    """`name` is `owner/repo` (or deeper) at the provider's own address, or a whole https address."""

    provider: str
    name: str


def read(text: str, provider: str | None, github_url: str) -> Repository:
    """The repository that `text` names, in its one spelling; without `provider` it follows from the address. `400` otherwise."""
    if "://" not in text:
        return _short(text, PROVIDERS[provider] if provider else GITHUB)
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise _wrong(text)
    base, path = found["base"].lower(), found["path"].rstrip("/")
    at_home = next((each for each in PROVIDERS.values() if each.url and base == home(each, github_url)), GIT)
    if at_home is GIT and not base.startswith("https://"):
        raise _wrong(text)
    if at_home is not GIT and provider in {None, at_home.name}:
        return _short(path, at_home)
    if at_home is not GIT and provider != GIT.name:
        raise invalid("/git_provider", f"is {provider}, and the address is one of {at_home.name}")
    if provider == GITHUB.name:
        raise invalid(_POINTER, f"is not at {home(GITHUB, github_url)}; for another server the provider is git")
    _check_path(path)
    return Repository(provider or GIT.name, f"{base}/{path}")


def home(provider: Provider, github_url: str) -> str:
    """Where the provider's short names live."""
    return github_url.rstrip("/").lower() if provider is GITHUB else provider.url


def clone_url(repository: Repository, github_url: str) -> str:
    """What git is told; never with a login in it."""
    page = web_url(repository, github_url)
    return repository.name if "://" in repository.name else f"{page}.git"


def web_url(repository: Repository, github_url: str) -> str:
    """The repository's page."""
    if "://" in repository.name:
        return repository.name.removesuffix(".git")
    return f"{home(PROVIDERS[repository.provider], github_url)}/{repository.name}"


def commit_url(repository: Repository, commit: str, github_url: str) -> str | None:
    """The page of a commit, where the provider has one."""
    path = PROVIDERS[repository.provider].commit
    return web_url(repository, github_url) + path.format(commit) if path else None


def _short(text: str, provider: Provider) -> Repository:
    name = text.removesuffix(".git")
    parts = name.split("/")
    if not _SHORT.fullmatch(name) or {".", ".."} & set(parts) or len(parts) > provider.depth:
        raise _wrong(text)
    if not provider.url:
        raise invalid(_POINTER, f"must be an https address for the provider {provider.name}")
    return Repository(provider.name, name)


def _check_path(path: str) -> None:
    for part in map(unquote, path.split("/")):
        if part in {"", ".", ".."} or part.startswith("-") or _UNSAFE.search(part):
            raise invalid(_POINTER, f"has a part that is not taken: {part!r}")


def _wrong(text: str) -> Problem:
    if "@" in text:
        return invalid(_POINTER, "takes no login and no ssh: owner/repo or an https address; private repositories are connected by OAuth")
    return invalid(_POINTER, "takes owner/repo or an https address such as https://git.example.com/owner/repo.git")
