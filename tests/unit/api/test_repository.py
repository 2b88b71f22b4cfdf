"""One spelling for each repository, and what is no repository."""

import pytest

from services.api.apps.grammar import check_ref, to_relative
from services.api.git.repository import Repository, clone_url, commit_url, read, web_url
from services.api.http.problems import Problem

GITHUB = "https://github.com"
ENTERPRISE = "https://code.example.com"


@pytest.mark.parametrize(
    ("text", "provider", "expected"),
    [
        ("owner/repo", None, Repository("github", "owner/repo")),
        ("owner/.github", None, Repository("github", "owner/.github")),
        ("owner/repo.git", None, Repository("github", "owner/repo")),
        ("https://GitHub.com/Owner/repo.git", None, Repository("github", "Owner/repo")),
        ("https://github.com/owner/repo/", "github", Repository("github", "owner/repo")),
        ("https://github.com/owner/repo", "git", Repository("git", "https://github.com/owner/repo")),
        ("group/sub/repo", "gitlab", Repository("gitlab", "group/sub/repo")),
        ("https://gitlab.com/group/sub/repo.git", None, Repository("gitlab", "group/sub/repo")),
        ("https://git.example.com/team/repo.git", "gitlab", Repository("gitlab", "https://git.example.com/team/repo.git")),
        ("https://bitbucket.org/owner/repo", None, Repository("bitbucket", "owner/repo")),
        ("https://Git.Example.com:8443/a/b.git/", None, Repository("git", "https://git.example.com:8443/a/b.git")),
        ("https://[2001:db8::1]/a", None, Repository("git", "https://[2001:db8::1]/a")),
        ("https://dev.azure.com/o/My%20Project/_git/repo", None, Repository("git", "https://dev.azure.com/o/My%20Project/_git/repo")),
    ],
)
def test_spellings(text: str, provider: str | None, expected: Repository) -> None:
    assert read(text, provider, GITHUB) == expected


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("owner", None),
        ("-owner/repo", None),
        ("owner/-repo", None),
        ("owner/..", None),
        ("a/b/c", None),
        ("owner/repo", "git"),
        ("git@github.com:owner/repo.git", None),
        ("ssh://git@github.com/owner/repo", None),
        ("file:///srv/repo", None),
        ("ext::sh -c x", None),
        ("http://git.example.com/a/b", None),
        ("https://user:pass@git.example.com/a", None),
        ("https://git.example.com", None),
        ("https://git.example.com/", None),
        ("https://git.example.com/a?b=c", None),
        ("https://git.example.com/a#b", None),
        ("https://git.example.com/../a", None),
        ("https://git.example.com/%2e%2e/a", None),
        ("https://git.example.com/a%2fb", None),
        ("https://git.example.com/a%00b", None),
        ("https://git.example.com/-a/b", None),
        ("https://-git.example.com/a", None),
        ("https://git.example.com/a/b", "github"),
        ("https://gitlab.com/a/b", "gitea"),
    ],
)
def test_what_is_refused(text: str, provider: str | None) -> None:
    with pytest.raises(Problem) as caught:
        read(text, provider, GITHUB)
    assert caught.value.errors[0].pointer in {"/git_repo_url", "/git_provider"}


def test_an_enterprise_takes_githubs_place() -> None:
    found = read(f"{ENTERPRISE}/owner/repo", None, ENTERPRISE)
    assert found == Repository("github", "owner/repo")
    assert clone_url(found, ENTERPRISE) == f"{ENTERPRISE}/owner/repo.git"
    assert read("https://github.com/owner/repo", None, ENTERPRISE) == Repository("git", "https://github.com/owner/repo")
    assert read("http://127.0.0.1:4000/owner/repo", None, "http://127.0.0.1:4000/") == Repository("github", "owner/repo")


def test_addresses() -> None:
    short, whole = Repository("gitlab", "group/repo"), Repository("git", "https://git.example.com/a/b.git")
    assert clone_url(short, GITHUB) == "https://gitlab.com/group/repo.git"
    assert clone_url(whole, GITHUB) == "https://git.example.com/a/b.git"
    assert web_url(whole, GITHUB) == "https://git.example.com/a/b"
    assert commit_url(short, "abc", GITHUB) == "https://gitlab.com/group/repo/-/commit/abc"
    assert commit_url(whole, "abc", GITHUB) is None


@pytest.mark.parametrize("ref", ["main", "feature/x", "v1.2.3", "refs/heads/main", "a" * 40, "a@b", "ünder"])
def test_refs(ref: str) -> None:
    assert check_ref(ref, "/ref") == ref


@pytest.mark.parametrize("ref", ["a..b", "a.lock", "a.lock/b", ".a", "a/.b", "a/", "/a", "a//b", "a.", "@", "a@{1}"])
def test_what_is_no_ref(ref: str) -> None:
    with pytest.raises(Problem):
        check_ref(ref, "/ref")


@pytest.mark.parametrize(("path", "expected"), [("web", "web"), ("./web//api/", "web/api"), (".", None), ("a/.hidden", "a/.hidden")])
def test_relative_paths(path: str, expected: str | None) -> None:
    assert to_relative(path, "/root_directory") == expected


@pytest.mark.parametrize("path", ["/web", "..", "a/../../b", "-web", "a/-b"])
def test_paths_that_lead_elsewhere(path: str) -> None:
    with pytest.raises(Problem):
        to_relative(path, "/root_directory")
