"""A commit of a repository, as files in a folder: fetched shallowly, within limits of time, bytes and files."""

import asyncio
import contextlib
import os
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from libs.common.egress import Allowed
from libs.common.messages.builder import GitLogin
from services.builder import processes
from services.builder.failed import because
from services.builder.source import git, grammar, lfs, submodules
from services.builder.source.git import Git, meaning
from services.builder.source.locate import locate

T = TypeVar("T")

_LOOK_SECONDS = 0.2
_MEGABYTE = 1024**2
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance")
_KEPT = "refs/dockup/wanted"
_GITLINK = b"160000"
_UNADVERTISED = re.compile(r"not our ref|unadvertised object", re.IGNORECASE)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository may cost: seconds, bytes both as packed and as checked out, files."""

    seconds: float
    bytes: int
    files: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be fetched, as `BuildImage` says it; the login opened."""

    url: str
    ref: str | None
    commit: str | None
    login: GitLogin | None = None
    submodules: bool = False
    lfs: bool = False


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What was fetched. `top` holds the files, without `.git`, those of submodules among them where they were asked for."""

    top: Path
    commit: str
    subject: str
    author: str
    ref: str | None


class _Left:
    """What may still be fetched, of a repository and its submodules together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._files = limits.files
        self._bytes = limits.bytes

    def take(self, size: int) -> None:
        """Count one file; `Failed` when it is one, or a byte, too many."""
        self._files -= 1
        self._bytes -= size
        if self._files < 0:
            raise because("repository_too_large", f"The repository has more than {self.limits.files} files.")
        if self._bytes < 0:
            raise _too_large(self.limits)


async def fetch(wanted: Wanted, work: Path, *, allowed: Allowed, limits: Limits) -> Source:
    """Fetch into `work`, a folder that is empty; `Failed` with a code of its own for each way in which that can end."""
    if wanted.commit is not None:
        grammar.commit(wanted.commit)
    if wanted.ref is not None:
        grammar.ref(wanted.ref)
    await git.require()
    top = work / "tree"
    top.mkdir()
    return await _within(_fetch(wanted, work, top, allowed, _Left(limits)), work, limits)


async def _within(call: Coroutine[Any, Any, T], work: Path, limits: Limits) -> T:
    """Do it within the limits. Every process of it has ended when this returns."""
    working = asyncio.create_task(call)
    outgrown = asyncio.create_task(_outgrown(work, limits.bytes))
    try:
        async with asyncio.timeout(limits.seconds):
            await asyncio.wait({working, outgrown}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _too_large(limits)
        return await working
    except TimeoutError as error:
        raise because("timeout", f"Fetching the repository took longer than {limits.seconds:g} s.") from error
    finally:
        working.cancel()
        outgrown.cancel()
        await asyncio.wait({working, outgrown})


async def _outgrown(work: Path, most: int) -> None:
    """Return when the folder holds more than it may: twice the limit, for the pack and the files are both in it."""
    while await asyncio.to_thread(_size, work) <= 2 * most:  # noqa: ASYNC110 - a folder that grows says nothing
        await asyncio.sleep(_LOOK_SECONDS)


def _size(folder: Path) -> int:
    """Bytes on the disk, of what does not vanish meanwhile."""
    total = 0
    for parent, _folders, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_blocks * 512
    return total


def _too_large(limits: Limits) -> Exception:
    return because("repository_too_large", f"The repository is larger than {limits.bytes // _MEGABYTE} MB.")


async def _fetch(wanted: Wanted, work: Path, top: Path, allowed: Allowed, left: _Left) -> Source:
    located = await locate(wanted.url, wanted.login, allowed)
    repository = Git(work / "git", located, most_bytes=left.limits.bytes)
    await repository.local(f"--work-tree={top}", "init", "--quiet", "--template=")
    spec, ref = await _choose(repository, wanted)
    commit = await _bring(repository, spec, left.limits)
    links = await _weigh(repository, commit, left)
    await repository.local(f"--work-tree={top}", "checkout", "--force", "--quiet", "--detach", commit)
    # Where its work tree is not beside it, git leaves a file that says where it is.
    (top / ".git").unlink(missing_ok=True)
    if wanted.lfs:
        await lfs.replace(top, located, allowed, left.take)
    if wanted.submodules:
        for number, part in enumerate(await submodules.wanted(repository, commit, links, located)):
            place = work / f"part.{number}"
            place.mkdir()
            inner = Wanted(url=part.url, ref=None, commit=part.commit, login=part.login, submodules=True, lfs=wanted.lfs)
            await _fetch(inner, place, submodules.folder(top, part.path), allowed, left)
    seen = (await repository.local("log", "-1", "--no-show-signature", "--format=%an <%ae>%n%s", commit)).out.decode(errors="replace")
    author, _, subject = seen.rstrip("\n").partition("\n")
    return Source(top=top, commit=commit, subject=_printable(subject), author=_printable(author), ref=ref)


def _printable(text: str) -> str:
    """What moves a terminal's cursor has no place in a log that people read in one."""
    return "".join(character if character.isprintable() else " " for character in text)


async def _choose(repository: Git, wanted: Wanted) -> tuple[str, str | None]:
    """What to ask the host for, and the name of the branch or tag that it is."""
    if wanted.commit:
        return wanted.commit, wanted.ref
    if wanted.ref is None:
        return "HEAD", _default(await _listed(repository, "--symref", "HEAD"))
    found = {line.partition("\t")[2] for line in (await _listed(repository, _HEADS + wanted.ref, _TAGS + wanted.ref)).splitlines()}
    for name in (_HEADS + wanted.ref, _TAGS + wanted.ref):
        if name in found:
            return name, wanted.ref
    if grammar.is_commit(wanted.ref):
        return wanted.ref, None
    raise because(
        "ref_not_found", f"{repository.url} has no branch and no tag {wanted.ref}.", hint="Name a branch, a tag, or a commit in full."
    )


async def _listed(repository: Git, *words: str) -> str:
    """What the host says that it has. Of a host with more refs than fit, the last are read."""
    options = [word for word in words if word.startswith("-")]
    ended = await repository.remote("ls-remote", *options, "--", repository.url, *(word for word in words if not word.startswith("-")))
    if ended.code:
        raise meaning(ended, repository.url)
    return ended.out.decode(errors="replace")


def _default(text: str) -> str | None:
    found = re.search(rf"^ref: {_HEADS}(\S+)\tHEAD$", text, re.MULTILINE)
    if not found and not text.strip():
        raise because("ref_not_found", "The repository is empty.", hint="Push a commit first.")
    return found[1] if found else None


async def _bring(repository: Git, spec: str, limits: Limits) -> str:
    """Fetch it and return the commit's number. A host that gives no single commits is asked for its branches, whole."""
    ended = await repository.remote(*_FETCH, "--depth=1", "--", repository.url, f"+{spec}:{_KEPT}")
    if ended.code and grammar.is_commit(spec) and _UNADVERTISED.search(ended.err):
        whole = await repository.remote(*_FETCH, "--", repository.url, f"+{_HEADS}*:refs/dockup/heads/*", f"+{_TAGS}*:refs/dockup/tags/*")
        ended = ended if whole.code == 0 and (await _has(repository, spec)) is False else whole
        if ended.code == 0:
            return spec
    if ended.code:
        # The kernel ends who writes a larger file, and git does not say why it ended.
        full = any(path.stat().st_size >= limits.bytes for path in repository.folder.glob("objects/pack/*"))
        raise _too_large(limits) if full else meaning(ended, repository.url)
    return (await repository.local("rev-parse", "--verify", "--quiet", f"{_KEPT}^{{commit}}")).out.decode().strip()


async def _has(repository: Git, commit: str) -> bool:
    ended = await processes.run(
        repository.command("cat-file", "-e", f"{commit}^{{commit}}"), env=repository.offline, cwd=repository.folder.parent
    )
    return ended.code == 0


async def _weigh(repository: Git, commit: str, left: _Left) -> dict[str, str]:
    """Count what a check-out would write, before it does; return the folders that stand for other repositories' commits."""
    links: dict[str, str] = {}
    command = repository.command("ls-tree", "-r", "-l", "-z", "--full-tree", commit)
    async with processes.started(command, env=repository.offline, cwd=repository.folder.parent) as process:
        async for entry in processes.pieces(process.stdout, b"\0"):
            told, _, name = entry.partition(b"\t")
            mode, _kind, sha, size = told.split()
            left.take(int(size) if size.isdigit() else 0)
            if mode == _GITLINK:
                links[name.decode(errors="surrogateescape")] = sha.decode()
        if await process.wait():
            raise because("clone_failed", f"{repository.url}: the commit cannot be read.")
    return links
