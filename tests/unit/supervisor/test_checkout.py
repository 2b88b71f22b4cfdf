"""The git checkout: where it is, where it can go, and what it refuses."""

import subprocess
from pathlib import Path

import pytest

from libs.supervisor.checkout import Checkout
from libs.supervisor.problem import Problem


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "file").write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "one")
    return folder


@pytest.fixture
def here(origin: Path, tmp_path: Path) -> Checkout:
    git(origin, "clone", "--quiet", str(origin), str(tmp_path / "here"))
    return Checkout(tmp_path / "here")


def test_there_and_back(origin: Path, here: Checkout) -> None:
    first = here.head()
    assert here.find(None) == first
    second = commit(origin, "two")
    git(origin, "tag", "v2")
    third = commit(origin, "three")
    assert (here.find("v2"), here.find(None), here.find(second[:10])) == (second, third, second)
    for there in (third, first, second):
        here.go(there)
        assert here.head() == there
        here.check()
    assert git(here.root, "symbolic-ref", "--short", "HEAD") == "main"
    assert (here.root / "file").read_text(encoding="utf-8") == "two"


def test_what_is_refused(here: Checkout, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"git rev-parse failed: .*single revision"):
        here.find("--output=/tmp/x")
    with pytest.raises(Problem, match="git rev-parse failed"):
        here.find("v9")
    (here.root / "new").write_text("", encoding="utf-8")
    here.check()
    (here.root / "file").write_text("changed", encoding="utf-8")
    with pytest.raises(Problem, match="were changed"):
        here.check()
    with pytest.raises(Problem, match="is no git checkout"):
        Checkout(tmp_path).check()
