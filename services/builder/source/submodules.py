"""Submodules: commits of other repositories, each fetched as the first one was, with every check."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin

import msgspec

from libs.common.messages.builder import GitLogin
from services.builder.failed import because
from services.builder.source import grammar, tree
from services.builder.source.git import Git
from services.builder.source.locate import Located

_MOST = 100
_SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)(?P<host>[\w.-]+)[:/](?P<path>.+)")
_ENTRY = re.compile(r"submodule\.(?P<name>.*)\.(?P<key>path|url)", re.DOTALL)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be fetched into `path`. The login goes along to the same host alone."""

    path: str
    url: str
    commit: str
    login: GitLogin | None


async def wanted(repository: Git, commit: str, links: Mapping[str, str], located: Located) -> list[Part]:
    """The submodules of a commit, as its `.gitmodules` names them; a folder that it does not name is left empty, as git does."""
    if not links:
        return []
    if len(links) > _MOST:
        raise because("repository_too_large", f"The repository has more than {_MOST} submodules.")
    told = await repository.local("config", "--blob", f"{commit}:.gitmodules", "--null", "--list")
    urls = _urls(told.out.decode(errors="replace"))
    return [_part(path, urls[path], sha, located) for path, sha in links.items() if path in urls]


def _urls(text: str) -> dict[str, str]:
    """`path` → `url` of each."""
    found: dict[str, dict[str, str]] = {}
    for entry in text.split("\0"):
        key, _, value = entry.partition("\n")
        if match := _ENTRY.fullmatch(key):
            found.setdefault(match["name"], {})[match["key"]] = value
    return {each["path"]: each["url"] for each in found.values() if "path" in each and "url" in each}


def _part(path: str, url: str, commit: str, located: Located) -> Part:
    target = resolved(located.address.url, url)
    there = grammar.address(target)
    same = (there.scheme, there.host, there.port) == (located.address.scheme, located.address.host, located.address.port)
    return Part(path=path, url=target, commit=commit, login=located.login if same else None)


def resolved(base: str, url: str) -> str:
    """The address that a submodule means: relative to its repository's; over https where it is written for ssh."""
    if url.startswith(("./", "../")):
        return urljoin(f"{base}/", url)
    ssh = None if url.startswith(("https://", "http://")) else _SSH.fullmatch(url)
    return f"https://{ssh['host']}/{ssh['path']}" if ssh else url


def folder(top: Path, path: str) -> Path:
    """Where a submodule goes. Looked at before it is made, too: a link may stand where its parent should."""
    place = tree.inside(top, top / path, path)
    place.mkdir(parents=True, exist_ok=True)
    return place
