"""Fetching commits from a real git host, and all that may be wrong with them."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from libs.common import egress
from libs.common.egress import Allowed
from libs.common.messages.builder import GitLogin
from services.builder.failed import Failed
from services.builder.settings import Settings
from services.builder.source import fetch, tree
from services.builder.source.fetch import Limits, Source, Wanted
from services.builder.source.submodules import folder, resolved
from tests.servers.git import PASSWORD, USER, GitServer, git

LOOPBACK = egress.parse(["127.0.0.0/8"])
LIMITS = Limits(seconds=30, bytes=20 * 1024**2, files=1_000)
DEFAULTS: dict[str, int] = {field.name: field.default for field in msgspec.structs.fields(Settings)}


class Place:
    """A folder a fetch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def get(
        self,
        url: str,
        *,
        ref: str | None = None,
        commit: str | None = None,
        login: GitLogin | None = None,
        allowed: Allowed = LOOPBACK,
        limits: Limits = LIMITS,
        submodules: bool = False,
        lfs: bool = False,
    ) -> Source:
        self._count += 1
        self.work = self._folder / str(self._count)
        self.work.mkdir()
        return await fetch.fetch(
            Wanted(url=url, ref=ref, commit=commit, login=login, submodules=submodules, lfs=lfs), self.work, allowed=allowed, limits=limits
        )

    async def fails(self, url: str, **more: object) -> str:
        with pytest.raises(Failed) as error:
            await self.get(url, **more)  # type: ignore[arg-type]
        return error.value.failure.code


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_by_default_branch_branch_tag_and_commit(git_host: GitServer, place: Place) -> None:
    first = git_host.make_repo("team/app", {"a.txt": "one", "run.sh": "#!/bin/sh\n"}, branch="trunk")
    second = git_host.commit("team/app", {"a.txt": "two"}, branch="trunk", message="Second\n\nwith more")
    side = git_host.commit("team/app", {"b.txt": "side"}, branch="feature/x")
    git(git_host.path("team/app"), "tag", "--annotate", "-m", "v1", "v1", first)
    url = git_host.url("team/app")

    source = await place.get(url)
    assert (source.commit, source.ref, source.subject, source.author) == (second, "trunk", "Second", "Ada <ada@example.com>")
    assert (source.top / "a.txt").read_text() == "two"
    assert os.access(source.top / "run.sh", os.X_OK)
    assert not (source.top / ".git").exists()

    assert (await place.get(url, ref="feature/x")).commit == side
    tagged = await place.get(url, ref="v1")
    assert (tagged.commit, tagged.ref) == (first, "v1")
    assert (tagged.top / "a.txt").read_text() == "one"
    exact = await place.get(url, ref="trunk", commit=first)
    assert (exact.commit, exact.ref) == (first, "trunk")
    assert (await place.get(url, ref=first)).commit == first


async def test_a_commits_words_are_for_reading(git_host: GitServer, place: Place) -> None:
    git_host.make_repo("app", {"a.txt": "one"})
    git_host.commit("app", {"a.txt": "two"}, message="A \x1b[2Jchange of Größe")
    assert (await place.get(git_host.url("app"))).subject == "A  [2Jchange of Größe"


async def test_a_commit_that_the_host_gives_only_with_its_branch(git_host: GitServer, place: Place) -> None:
    first = git_host.make_repo("app", {"a.txt": "one"})
    git_host.commit("app", {"a.txt": "two"})
    git(git_host.path("app"), "config", "protocol.version", "0")
    git(git_host.path("app"), "config", "uploadpack.allowReachableSHA1InWant", "false")
    source = await place.get(git_host.url("app"), commit=first)
    assert (source.top / "a.txt").read_text() == "one"


@pytest.mark.parametrize("ref", ["gone", "-x", "a..b", "a b", "x.lock", "main\n", "a:b", "@{1}", "../x", "refs/heads/*"])
async def test_refs_that_are_not_there(git_host: GitServer, place: Place, ref: str) -> None:
    git_host.make_repo("app", {"a.txt": "one"})
    assert await place.fails(git_host.url("app"), ref=ref) == "ref_not_found"


async def test_commits_and_repositories_that_are_not_there(git_host: GitServer, place: Place) -> None:
    git_host.make_repo("app", {"a.txt": "one"})
    git(git_host.root, "init", "--quiet", "--bare", str(git_host.path("empty")))
    assert await place.fails(git_host.url("app"), commit="1" * 40) == "ref_not_found"
    assert await place.fails(git_host.url("app"), commit="1" * 39) == "ref_not_found"
    assert await place.fails(git_host.url("gone")) == "repository_not_found"
    assert await place.fails(git_host.url("empty")) == "ref_not_found"
    assert await place.fails("http://127.0.0.1:1/app.git") == "git_unreachable"
    assert await place.fails("https://no-such-host.invalid/app.git") == "git_unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ext::sh -c id",
        "ssh://git@github.com/a/b",
        "git@github.com:a/b.git",
        "--upload-pack=id",
        "https://user:secret@github.com/a/b",
        "https://github.com/a/../b",
        "https://github.com/a?b",
        "https://github.com:0x50/a",
        "https:///a",
        "https://github.com/a b",
    ],
)
async def test_addresses_of_no_repository(place: Place, url: str) -> None:
    assert await place.fails(url) == "source_invalid"


async def test_addresses_that_may_not_be_reached(git_host: GitServer, place: Place) -> None:
    git_host.make_repo("app", {"a.txt": "one"})
    nobody = egress.parse([])
    for url in (
        git_host.url("app"),
        f"http://localhost:{git_host.port}/app.git",
        f"http://[::ffff:127.0.0.1]:{git_host.port}/app.git",
        f"http://0x7f000001:{git_host.port}/app.git",
        "https://169.254.169.254/latest/meta-data",
    ):
        assert await place.fails(url, allowed=nobody) == "address_refused"
    assert git_host.asked == []
    assert await place.fails("http://1.1.1.1/app.git") == "address_refused"


async def test_redirects_are_checked_at_each_hop(git_host: GitServer, place: Place) -> None:
    sha = git_host.make_repo("app", {"a.txt": "one"})
    git_host.redirects = {"old": git_host.url("older"), "older": git_host.url("app")}
    assert (await place.get(git_host.url("old"))).commit == sha
    only = egress.parse(["127.0.0.1/32"])
    for name, target in {
        "metadata": "http://169.254.169.254/app.git",
        "other": f"http://127.0.0.2:{git_host.port}/app.git",
        "file": "file:///etc/app.git",
        "ring": git_host.url("ring"),
    }.items():
        git_host.redirects[name] = target
    assert await place.fails(git_host.url("metadata"), allowed=only) == "address_refused"
    assert await place.fails(git_host.url("other"), allowed=only) == "address_refused"
    assert await place.fails(git_host.url("file"), allowed=only) == "source_invalid"
    assert await place.fails(git_host.url("ring"), allowed=only) == "clone_failed"


async def test_a_private_repository(closed_host: GitServer, place: Place) -> None:
    sha = closed_host.make_repo("app", {"a.txt": "one"})
    url = closed_host.url("app")
    good = GitLogin(username=USER, password=PASSWORD)
    assert await place.fails(url) == "git_auth_failed"
    assert await place.fails(url, login=GitLogin(username=USER, password="wrong")) == "git_auth_failed"
    assert (await place.get(url, login=good)).commit == sha
    kept = b"".join(path.read_bytes() for path in place.work.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept
    assert USER.encode() not in kept


async def test_a_login_does_not_go_to_another_host(git_host: GitServer, closed_host: GitServer, place: Place) -> None:
    closed_host.make_repo("app", {"a.txt": "one"})
    git_host.redirects = {"app": closed_host.url("app")}
    assert await place.fails(git_host.url("app"), login=GitLogin(username=USER, password=PASSWORD)) == "git_auth_failed"


async def test_repositories_that_are_too_large(git_host: GitServer, place: Place) -> None:
    git_host.make_repo("many", {f"{number}.txt": "same" for number in range(30)})
    git_host.make_repo("packed", {"random": os.urandom(6 * 1024**2)})
    git_host.make_repo("bomb", {"zeros": bytes(6 * 1024**2)})
    few = Limits(seconds=30, bytes=2 * 1024**2, files=20)
    for name in ("many", "packed", "bomb"):
        assert await place.fails(git_host.url(name), limits=few) == "repository_too_large"
        assert not list((place.work / "tree").iterdir())


async def test_a_million_files(git_host: GitServer, place: Place) -> None:
    """A thousand folders of a thousand files, by what a builder allows that nobody told otherwise: not one of them is written."""
    git_host.make_repo("app", {"a.txt": "one"})
    bare = git_host.path("app")
    tree_of, blob = git(bare, "rev-parse", "main^{tree}"), git(bare, "rev-parse", "main:a.txt")
    for kind, mode in (("blob", "100644"), ("tree", "040000")):
        entries = "".join(f"{mode} {kind} {blob if kind == 'blob' else tree_of}\t{number}\n" for number in range(1000))
        tree_of = git(bare, "mktree", stdin=entries.encode())
    git(bare, "update-ref", "refs/heads/main", git(bare, "commit-tree", tree_of, "-m", "A million files"))
    limits = Limits(seconds=30, bytes=DEFAULTS["source_max_mb"] * 1024**2, files=DEFAULTS["source_max_files"])
    assert await place.fails(git_host.url("app"), limits=limits) == "repository_too_large"
    assert not list((place.work / "tree").iterdir())


async def test_a_host_that_never_ends(place: Place) -> None:
    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/app.git"
        assert await place.fails(url, limits=Limits(seconds=1, bytes=1024**2, files=10)) == "timeout"


async def test_links_that_lead_out_of_the_repository(git_host: GitServer, place: Place) -> None:
    files = {
        "out/Dockerfile": "-> /etc/passwd",
        "up/Dockerfile": "-> ../../../../../../../../etc/passwd",
        "ring/Dockerfile": "-> Dockerfile",
        "none/Dockerfile": "-> missing",
        "ignore/.dockerignore": "-> /etc/passwd",
        "ignore/Dockerfile": "FROM scratch",
        "own/Dockerfile.dockerignore": "-> /etc/passwd",
        "own/Dockerfile": "FROM scratch",
        "folder": "-> /etc",
        "good/Dockerfile": "-> ../ignore/Dockerfile",
        "follow/passwd": "-> /etc/passwd",
    }
    git_host.make_repo("app", files)
    top = (await place.get(git_host.url("app"))).top
    for name in ("out", "up", "ring", "none", "ignore", "own"):
        with pytest.raises(Failed) as error:
            tree.dockerfile(top, tree.context(top, name), None)
        assert error.value.failure.code == "unsafe_source", name
    with pytest.raises(Failed, match="leads out"):
        tree.context(top, "folder")
    with pytest.raises(Failed, match="leads out"):
        tree.links(top, tree.context(top, "follow"))
    assert tree.dockerfile(top, tree.context(top, "good"), None) == top / "good" / "Dockerfile"
    assert tree.dockerfile(top, tree.context(top, "follow"), None) is None
    assert tree.read(top, top / "follow" / "passwd") == ""


async def test_folders_and_dockerfiles_that_are_not_there(git_host: GitServer, place: Place) -> None:
    git_host.make_repo("app", {"site/Dockerfile": "FROM scratch"})
    top = (await place.get(git_host.url("app"))).top
    for name in ("gone", "../x", "/etc", "site/Dockerfile", "-x", "a\x00b"):
        with pytest.raises(Failed) as error:
            tree.context(top, name)
        assert error.value.failure.code == "root_directory_not_found", name
    for name in ("Other", "../Dockerfile", "/etc/passwd"):
        with pytest.raises(Failed) as error:
            tree.dockerfile(top, tree.context(top, "site"), name)
        assert error.value.failure.code == "dockerfile_not_found", name


async def test_submodules_where_they_are_asked_for(git_host: GitServer, place: Place) -> None:
    inner = git_host.make_repo("team/inner", {"c.txt": "inner"})
    outer = git_host.make_repo("team/outer", {"b.txt": "outer", ".gitmodules": module("inner", "deep/inner", "../inner.git")})
    outer = git_host.link("team/outer", "deep/inner", inner)
    git_host.make_repo("team/app", {"a.txt": "a", ".gitmodules": module("lib", "lib", "../outer.git")})
    git_host.link("team/app", "lib", outer)
    source = await place.get(git_host.url("team/app"), submodules=True)
    assert (source.top / "lib" / "deep" / "inner" / "c.txt").read_text() == "inner"
    assert not list(source.top.rglob(".git"))
    bare = await place.get(git_host.url("team/app"))
    assert list((bare.top / "lib").iterdir()) == []

    for url, code in {
        "https://169.254.169.254/x": "address_refused",
        "file:///etc": "source_invalid",
        "-u/x": "source_invalid",
        "../../../gone.git": "repository_not_found",
    }.items():
        git_host.commit("team/app", {".gitmodules": module("lib", "lib", url)})
        assert await place.fails(git_host.url("team/app"), submodules=True) == code, url


async def test_large_files_where_they_are_asked_for(closed_host: GitServer, place: Place) -> None:
    content = os.urandom(300_000)
    pointer = closed_host.make_large(content)
    closed_host.make_repo("app", {"model.bin": pointer, "a.txt": "one"})
    url, login = closed_host.url("app"), GitLogin(username=USER, password=PASSWORD)
    assert ((await place.get(url, login=login)).top / "model.bin").read_text() == pointer
    source = await place.get(url, login=login, lfs=True)
    assert (source.top / "model.bin").read_bytes() == content
    assert sorted(path.name for path in source.top.iterdir()) == ["a.txt", "model.bin"]

    small = Limits(seconds=30, bytes=200_000, files=10)
    assert await place.fails(url, login=login, lfs=True, limits=small) == "repository_too_large"
    closed_host.large_at = "http://169.254.169.254/latest"
    assert await place.fails(url, login=login, lfs=True) == "address_refused"
    closed_host.large_at = "file:///etc"
    assert await place.fails(url, login=login, lfs=True) == "clone_failed"
    closed_host.large_at = ""
    oid = next(iter(closed_host.large))
    for wrong in (os.urandom(300_000), os.urandom(300_001)):
        closed_host.large[oid] = wrong
        assert await place.fails(url, login=login, lfs=True) == "clone_failed"
    closed_host.large.clear()
    assert await place.fails(url, login=login, lfs=True) == "clone_failed"


@pytest.mark.parametrize("path", ["out/inner", "../inner", "/tmp/inner"])
def test_a_submodule_goes_nowhere_else(tmp_path: Path, path: str) -> None:
    """Git makes no such tree, and hosts may: a link where the submodule's parent should be."""
    top = tmp_path / "tree"
    (tmp_path / "elsewhere").mkdir()
    top.mkdir()
    (top / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failed, match="leads out"):
        folder(top, path)
    assert not list((tmp_path / "elsewhere").iterdir())


def module(name: str, path: str, url: str) -> str:
    return f'[submodule "{name}"]\n\tpath = {path}\n\turl = {url}\n'


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("git@github.com:a/b.git", "https://github.com/a/b.git"),
        ("ssh://git@github.com/a/b", "https://github.com/a/b"),
        ("../x.git", "https://h/a/x.git"),
        ("./x.git", "https://h/a/b.git/x.git"),
        ("https://u@h/x", "https://u@h/x"),
    ],
)
def test_addresses_of_submodules(url: str, target: str) -> None:
    assert resolved("https://h/a/b.git", url) == target
