"""What was checked out, looked at before anything reads it: a link in it may lead nowhere but into it."""

import os
import stat
from pathlib import Path

from services.builder.failed import because
from services.builder.source import grammar

DOCKERFILE = "Dockerfile"
_MOST_TEXT = 1024**2


def context(top: Path, root_directory: str) -> Path:
    """The folder that is built from; `Failed` where there is none, or where a link leads out of the repository."""
    name = grammar.path(root_directory, "root_directory_not_found")
    folder = inside(top, top / name, "root_directory")
    if not folder.is_dir():
        there = ", ".join(sorted(entry.name for entry in top.iterdir() if entry.is_dir())[:20]) or "none"
        raise because("root_directory_not_found", f"The repository has no folder {name!r}; its folders are: {there}.")
    return folder


def dockerfile(top: Path, folder: Path, wanted: str | None) -> Path | None:
    """The Dockerfile in `folder`; None where none is there and none was asked for. What stands beside it is checked as well."""
    name = grammar.path(wanted, "dockerfile_not_found") if wanted else DOCKERFILE
    path = folder / name
    if not os.path.lexists(path):
        if wanted:
            raise because("dockerfile_not_found", f"There is no {name} in {_named(top, folder)}.")
        ignores(top, folder)
        return None
    found = inside(top, path, name)
    if not found.is_file() or found.stat().st_size > _MOST_TEXT:
        raise because("unsafe_source", f"{name} is no file of at most 1 MiB.")
    ignores(top, folder, path.with_name(f"{path.name}.dockerignore"))
    return path


def ignores(top: Path, folder: Path, *more: Path) -> None:
    """Check each file that says what the engine is not given."""
    for path in (folder / ".dockerignore", *more):
        if os.path.lexists(path) and not stat.S_ISREG(inside(top, path, path.name).stat().st_mode):
            raise because("unsafe_source", f"{path.name} is no file.")


def links(top: Path, folder: Path) -> None:
    """Refuse every link in `folder` that leads out of the repository: for builders that follow them, which BuildKit does not."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                inside(top, path, str(path.relative_to(top)))


def inside(top: Path, path: Path, name: str) -> Path:
    """Where `path` really is; `Failed` with `unsafe_source` when that is outside of `top`, or when its links go round in a ring."""
    try:
        found = path.resolve()
    except (OSError, RuntimeError) as error:
        raise because("unsafe_source", f"{name}: its links lead nowhere.") from error
    if not found.is_relative_to(top.resolve()):
        raise because("unsafe_source", f"{name} is a link that leads out of the repository.")
    if os.path.lexists(path) and not found.exists():
        raise because("unsafe_source", f"{name} is a link that leads nowhere.")
    return found


def read(top: Path, path: Path) -> str:
    """The text of a small file of the repository; empty where there is none, or none that may be read."""
    try:
        found = path.resolve(strict=True)
        if not found.is_relative_to(top.resolve()) or not found.is_file() or found.stat().st_size > _MOST_TEXT:
            return ""
        return found.read_text(encoding="utf-8", errors="replace")
    except (OSError, RuntimeError):
        return ""


def _named(top: Path, folder: Path) -> str:
    return str(folder.relative_to(top.resolve())) if folder != top.resolve() else "the repository's top folder"
