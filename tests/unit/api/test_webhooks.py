"""Verdicts, globs and signatures of webhooks, as tables."""

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.previews.service import slug_of
from services.api.webhooks.events import Came, Other, PullRequest, Push, Unreadable, decoder
from services.api.webhooks.globs import matches
from services.api.webhooks.providers import PROVIDERS
from services.api.webhooks.verdicts import Wanted, of_pull_request, of_push

A, B, C = "a" * 40, "b" * 40, "c" * 40
PUSH = Push(repo="ada/demo", ref="refs/heads/main", before=A, after=B, default_branch="main", message="Work", paths=["src/a.py"])
PULL = PullRequest(repo="ada/demo", action="opened", number=7, title="Work", base="main", head="work", head_repo="ada/demo", commit=B)
WANTED = Wanted(repo="ada/demo", branch="main", previews=True)


def change(value: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(value, **fields)


@pytest.mark.parametrize(
    ("wanted", "push", "verdict"),
    [
        ({}, {}, None),
        ({"repo": "ADA/Demo"}, {}, None),
        ({"repo": "https://git.example.com/ada/demo.git"}, {}, None),
        ({"repo": "https://git.example.com/ada/otherdemo"}, {"repo": "demo"}, "ignored: the push is to demo, and the app is built from"),
        ({"branch": None}, {}, None),
        ({"branch": None}, {"default_branch": "trunk"}, "ignored: branch main is not trunk"),
        ({}, {"ref": "refs/heads/dev"}, "ignored: branch dev is not main"),
        ({}, {"ref": "refs/heads/main/x"}, "ignored: branch main/x is not main"),
        ({}, {"ref": "refs/notes/x"}, "ignored: refs/notes/x is neither"),
        ({}, {"repo": "eve/demo"}, "ignored: the push is to eve/demo, and the app is built from ada/demo"),
        ({"auto_deploy": False}, {}, "ignored: auto_deploy is off"),
        ({}, {"after": "0" * 40}, "ignored: the branch main was deleted"),
        ({}, {"message": "Docs [Skip Deploy]"}, "ignored: [skip deploy]"),
        ({}, {"message": "Docs\n\n[deploy skip]"}, "ignored: [deploy skip]"),
        ({"watch_paths": ["src"]}, {}, None),
        ({"watch_paths": ["docs/**", "*.md"]}, {}, "ignored: outside watch_paths"),
        ({"watch_paths": ["docs/**"]}, {"paths": None}, None),
        ({}, {"ref": "refs/tags/v1"}, "ignored: tag v1, and deploy_tags is not set"),
        ({"deploy_tags": "v*"}, {"ref": "refs/tags/v1.2"}, None),
        ({"deploy_tags": "v*", "watch_paths": ["docs"]}, {"ref": "refs/tags/v1.2"}, None),
        ({"deploy_tags": "v*"}, {"ref": "refs/tags/rc1"}, "ignored: tag rc1 is not v*"),
        ({"last": PUSH}, {}, f"ignored: {B[:12]} was deployed already"),
        ({"last": PUSH}, {"before": C, "after": A}, f"ignored: {B[:12]} was pushed after it"),
        ({"last": PUSH}, {"before": B, "after": C}, None),
        ({"last": PUSH}, {"before": B, "after": A}, None),  # pushed back by force
        ({"last": PUSH, "deploy_tags": "v*"}, {"ref": "refs/tags/v1"}, None),
    ],
)
def test_verdict_of_a_push(wanted: dict[str, Any], push: dict[str, Any], verdict: str | None) -> None:
    found = of_push(change(WANTED, **wanted), change(PUSH, **push))
    assert (found is None) == (verdict is None), found
    assert (found or "").startswith(verdict or "")


def test_who_has_a_delivery_judged_again_may_deploy_the_same_again() -> None:
    assert of_push(change(WANTED, last=PUSH), PUSH, again=True) is None


@pytest.mark.parametrize(
    ("wanted", "pull", "verdict"),
    [
        ({}, {}, None),
        ({"branch": None}, {"base": "anything"}, None),
        ({}, {"action": "synchronize"}, None),
        ({}, {"action": "labeled"}, "ignored: nothing follows from labeled"),
        ({"previews": False}, {}, "ignored: previews are off"),
        ({}, {"base": "dev"}, "ignored: pull request 7 is for dev, not main"),
        ({}, {"head_repo": "eve/demo"}, "ignored: pull request 7 comes from a fork"),
        ({}, {"head_repo": ""}, "ignored: pull request 7 comes from a fork"),
        ({"forks": True}, {"head_repo": "eve/demo"}, None),
        ({}, {"title": "[skip deploy] Work"}, "ignored: [skip deploy]"),
        ({}, {"repo": "eve/demo"}, "ignored: the pull request is of eve/demo"),
    ],
)
def test_verdict_of_a_pull_request(wanted: dict[str, Any], pull: dict[str, Any], verdict: str | None) -> None:
    found = of_pull_request(change(WANTED, **wanted), change(PULL, **pull))
    assert (found is None) == (verdict is None), found
    assert (found or "").startswith(verdict or "")


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("src", "src/a/b.py", True),
        ("src", "src", True),
        ("src", "srcs/a", False),
        ("src/", "src/a", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "README.md", True),
        ("**/*.md", "a/b/README.md", True),
        ("src/**", "src/a/b", True),
        ("src/**/test.py", "src/test.py", True),
        ("src/**/test.py", "src/a/b/test.py", True),
        ("src/*/test.py", "src/a/b/test.py", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),
        ("**", "anything/at/all", True),
    ],
)
def test_globs(pattern: str, path: str, fits: bool) -> None:  # noqa: FBT001 - a table
    assert matches(pattern, path) is fits


@given(st.lists(st.sampled_from(["*", "**", "a", "?"]), max_size=40), st.integers(0, 60))
def test_no_glob_takes_for_ever(parts: list[str], length: int) -> None:
    matches("/".join(parts) or "a", "/".join(["a" * 3] * length) + "b")


def came(provider: str, headers: dict[str, str], body: bytes = b"{}") -> Came:
    return Came(provider=provider, headers=headers, body=body)


def test_signatures() -> None:
    good = "sha256=" + hmac.new(b"secret", b"{}", hashlib.sha256).hexdigest()
    empty = "sha256=" + hmac.new(b"", b"{}", hashlib.sha256).hexdigest()
    is_signed = PROVIDERS["github"].is_signed
    assert is_signed(came("github", {"x-hub-signature-256": good}), "secret")
    assert not is_signed(came("github", {"x-hub-signature-256": good}, b"{} "), "secret")
    assert not is_signed(came("github", {"x-hub-signature-256": good}), "other")
    assert not is_signed(came("github", {"x-hub-signature-256": empty}), "")
    for wrong in ("", "sha256=", good.removeprefix("sha256="), good.replace("sha256", "sha1"), "sha256=ä"):
        assert not is_signed(came("github", {"x-hub-signature-256": wrong}), "secret"), wrong
    assert not is_signed(came("github", {"x-hub-signature": good}), "secret")
    assert PROVIDERS["gitea"].is_signed(came("gitea", {"x-gitea-signature": good.removeprefix("sha256=")}), "secret")
    assert PROVIDERS["gitlab"].is_signed(came("gitlab", {"x-gitlab-token": "secret"}), "secret")
    assert not PROVIDERS["gitlab"].is_signed(came("gitlab", {"x-gitlab-token": ""}), "")
    assert not PROVIDERS["gitlab"].is_signed(came("gitlab", {}), "secret")


def test_a_push_as_gitlab_says_it() -> None:
    body = {
        "ref": "refs/heads/main",
        "before": A,
        "after": B,
        "project": {"path_with_namespace": "group/sub/demo", "default_branch": "main"},
        "commits": [{"message": "Work", "added": ["a"], "modified": ["b"], "removed": []}],
        "total_commits_count": 1,
        "user_username": "ada",
    }
    said = PROVIDERS["gitlab"].read(came("gitlab", {"x-gitlab-event": "Push Hook"}, json.dumps(body).encode()))
    assert isinstance(said, Push)
    assert (said.repo, said.after, said.paths, said.sender) == ("group/sub/demo", B, ["a", "b"], "ada")


def test_a_long_or_forced_push_is_of_unknown_paths() -> None:
    commit = {"message": "x", "added": ["a"]}
    body: dict[str, Any] = {"ref": "refs/heads/main", "before": A, "after": B, "repository": {"full_name": "a/b"}, "commits": [commit]}
    headers = {"x-github-event": "push"}

    def paths(**more: Any) -> list[str] | None:
        said = PROVIDERS["github"].read(came("github", headers, json.dumps({**body, **more}).encode()))
        assert isinstance(said, Push)
        return said.paths

    assert paths() == ["a"]
    assert paths(forced=True) is None
    assert paths(created=True) is None
    assert paths(commits=[]) is None
    assert paths(commits=[commit] * 2048) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ref": 1}', b"\xff", b"payload=%7B%7D"])
def test_what_is_no_push(body: bytes) -> None:
    with pytest.raises(Unreadable):
        PROVIDERS["github"].read(came("github", {"x-github-event": "push"}, body))


def test_what_is_kept_of_a_delivery_reads_back() -> None:
    for said in (PUSH, PULL, Other(event="ping", repo="ada/demo")):
        assert decoder.decode(msgspec.json.encode(said)) == said


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?", fullmatch=True), st.integers(1, 10**9))
def test_slug_of_a_preview(slug: str, number: int) -> None:
    found = slug_of(slug, number)
    assert len(found) <= 48
    assert found.endswith(f"-pr-{number}")
    assert found == f"{slug}-pr-{number}" or slug_of(f"{slug[:-1]}_", number) != found
