"""What an app is built from: as its row says it, as a release freezes it, and as a person changes it."""

from typing import TYPE_CHECKING, Literal

import msgspec

from services.api.apps.grammar import BuildBody, check_build, check_ref, to_relative
from services.api.apps.models import AppRow
from services.api.git import repository
from services.api.git.repository import Repository
from services.api.http.problems import FieldError, Problem, invalid

if TYPE_CHECKING:
    from services.api.apps.schemas import App, Settings

UNSET = msgspec.UNSET
_PLACES = ("git_branch", "root_directory", "dockerfile_path")


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """How a repository becomes an image: see the body of the same name."""

    builder: Literal["auto", "railpack", "pack"] = "auto"
    args: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    submodules: bool = False
    lfs: bool = False


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image is built from. `url`, `ref` and `commit` are what one release was asked for; the rest is the app's own."""

    provider: str
    repo: str
    branch: str | None = None
    root_directory: str | None = None
    dockerfile_path: str | None = None
    build: Build = Build()
    url: str = ""
    ref: str | None = None
    commit: str | None = None

    @property
    def repository(self) -> Repository:
        return Repository(self.provider, self.repo)

    @property
    def lasting(self) -> "Source":
        """What of it is the app's own."""
        return msgspec.structs.replace(self, url="", ref=None, commit=None)


_build = msgspec.json.Decoder(Build)
_source = msgspec.json.Decoder(Source)
_paths = msgspec.json.Decoder(list[str])
NO_BUILD = msgspec.json.encode(Build()).decode()


def configured(app: AppRow) -> Source | None:
    """What the app's next deploy is built from; None for an app that deploys an image."""
    if app.git_repo_url is None:
        return None
    return Source(
        provider=app.git_provider or "git",
        repo=app.git_repo_url,
        branch=app.git_branch,
        root_directory=app.root_directory,
        dockerfile_path=app.dockerfile_path,
        build=_build.decode(app.build),
    )


def restore(app: AppRow, source: Source | None) -> None:
    """Give the app the source that a release had, or none."""
    app.git_repo_url = source.repo if source else None
    app.git_provider = source.provider if source else None
    if source is not None:
        app.git_branch, app.root_directory, app.dockerfile_path = source.branch, source.root_directory, source.dockerfile_path
        app.build = encode(source.build)


def decode(text: str | None) -> Source | None:
    return _source.decode(text) if text else None


def encode(value: Source | Build | None) -> str:
    """As it stands in a column; empty for none."""
    return msgspec.json.encode(value).decode() if value is not None else ""


def build_of(app: AppRow) -> Build:
    return _build.decode(app.build)


def watch_paths_of(app: AppRow) -> list[str]:
    return _paths.decode(app.watch_paths)


def differing(wanted: Source, runs: Source | None) -> list[str]:
    """The fields by which what is to be built differs from what was built."""
    if runs is None or (wanted.provider, wanted.repo) != (runs.provider, runs.repo):
        return ["git_repo_url"]
    pairs = (("git_branch", "branch"), ("root_directory", "root_directory"), ("dockerfile_path", "dockerfile_path"), ("build", "build"))
    return [name for name, field in pairs if getattr(wanted, field) != getattr(runs, field)]


def check_one_source(body: "Settings", view: "App | None" = None) -> None:
    """`400 image_with_git` when the body leaves the app with an image of its own and a repository.

    The two may stand together as they were read: the image of an app that is built is what was built last.
    """
    image, repo = body.image, body.git_repo_url
    has_repo = view is not None and view.git_repo_url is not None
    if image is UNSET or image is None or (has_repo and view is not None and image == view.image):
        return
    if isinstance(repo, str) or (repo is UNSET and has_repo):
        raise Problem("image_with_git", errors=[FieldError(pointer="/git_repo_url", detail="excludes image")])


def merge_source(app: AppRow, body: "Settings", github_url: str) -> list[str]:
    """Change the row; return the names of what is another now."""
    values = {**_repository(app, body, github_url), **_places(body)}
    if not isinstance(body.watch_paths, msgspec.UnsetType):
        values["watch_paths"] = msgspec.json.encode(_watch_paths(body.watch_paths)).decode()
    if not isinstance(body.auto_deploy, msgspec.UnsetType):
        values["auto_deploy"] = body.auto_deploy
    if not isinstance(body.build, msgspec.UnsetType):
        values["build"] = encode(_to_build(body.build))
    changed = [name for name, value in values.items() if getattr(app, name) != value]
    for name in changed:
        setattr(app, name, values[name])
    return changed


def _repository(app: AppRow, body: "Settings", github_url: str) -> dict[str, object]:
    repo = app.git_repo_url if isinstance(body.git_repo_url, msgspec.UnsetType) else body.git_repo_url
    if repo is None:
        if isinstance(body.git_provider, str):
            raise invalid("/git_provider", "says of what git_repo_url is; send both")
        return {"git_repo_url": None, "git_provider": None}
    if body.git_provider is UNSET and body.git_repo_url is UNSET:
        return {}
    found = _read(repo, app.git_provider, body.git_provider, github_url)
    return {"git_repo_url": found.name, "git_provider": found.provider}


def _read(repo: str, before: str | None, asked: str | msgspec.UnsetType | None, github_url: str) -> Repository:
    """The provider is kept where it is not named and still fits."""
    if not isinstance(asked, msgspec.UnsetType) or before is None:
        return repository.read(repo, asked or None, github_url)
    try:
        return repository.read(repo, before, github_url)
    except Problem:
        return repository.read(repo, None, github_url)


def _places(body: "Settings") -> dict[str, object]:
    values: dict[str, object] = {}
    for name in _PLACES:
        value = getattr(body, name)
        if value is None:
            values[name] = None
        elif isinstance(value, str):
            values[name] = check_ref(value, f"/{name}") if name == "git_branch" else to_relative(value, f"/{name}")
    return values


def _watch_paths(paths: list[str] | None) -> list[str]:
    found = [to_relative(path, f"/watch_paths/{number}") for number, path in enumerate(paths or ())]
    return [path for path in found if path is not None]


def _to_build(body: BuildBody | None) -> Build:
    if body is None:
        return Build()
    check_build(body)
    return Build(
        builder=body.builder, args=dict(sorted(body.args.items())), secrets=tuple(body.secrets), submodules=body.submodules, lfs=body.lfs
    )
