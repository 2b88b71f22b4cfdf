"""Files of Git LFS, where they are asked for: the host is asked where they are, and each address is checked as the repository's was.

The protocol is https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md; only its `basic` transfer is spoken.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

import msgspec

from libs.common.address import Address, address_of
from libs.common.asking import ASKING_ERRORS, asked
from libs.common.egress import Allowed, Route
from services.builder.failed import because
from services.builder.source.locate import Located, route_to

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>[0-9]{1,15})\n"
)
_MOST_POINTER = 1024
_KIND = "application/vnd.git-lfs+json"
_AT_ONCE = 100
_SECONDS = 30.0
_PIECE = 1024 * 1024
_MOST_ANSWER = 10 * 1024 * 1024
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")


class _Action(msgspec.Struct):
    href: str
    header: dict[str, str] = {}


class _Object(msgspec.Struct):
    oid: str
    actions: dict[str, _Action] = {}


class _Batch(msgspec.Struct):
    objects: list[_Object]


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """A file that stands for a larger one."""

    path: Path
    oid: str
    size: int


async def replace(top: Path, located: Located, allowed: Allowed, take: Callable[[int], None]) -> int:
    """Put the files in the place of their pointers; return how many. `take` is told each size before it is fetched, and may refuse."""
    found = await asyncio.to_thread(lambda: list(pointers(top)))
    for pointer in found:
        take(pointer.size)
    for start in range(0, len(found), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        actions = await _ask(part, located)
        for pointer in part:
            if pointer.oid not in actions:
                raise because("clone_failed", f"{pointer.path.name}: the host does not have this file of Git LFS.")
            await _download(pointer, actions[pointer.oid], allowed)
    return len(found)


def pointers(top: Path) -> Iterator[Pointer]:
    for path in sorted(top.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_POINTER:
            continue
        if match := _POINTER.fullmatch(path.read_bytes()):
            yield Pointer(path=path, oid=match["oid"].decode(), size=int(match["size"]))


async def _ask(part: list[Pointer], located: Located) -> dict[str, _Action]:
    """Where each file is."""
    base = located.address.path if located.address.path.endswith(".git") else f"{located.address.path}.git"
    body = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": each.oid, "size": each.size} for each in part]}
    headers = {"Accept": _KIND, "Content-Type": _KIND}
    if located.login:
        text = f"{located.login.username}:{located.login.password}"
        headers["Authorization"] = f"Basic {base64.b64encode(text.encode()).decode()}"
    address = msgspec.structs.replace(located.address, path=f"{base}/info/lfs/objects/batch")
    kept = bytearray()
    await _call(address, located.route, kept.extend, _MOST_ANSWER, headers=headers, body=msgspec.json.encode(body))
    try:
        answer = msgspec.json.decode(bytes(kept), type=_Batch)
    except msgspec.DecodeError as error:
        raise because("clone_failed", f"{located.address.host} does not answer as a host of Git LFS does.") from error
    return {each.oid: each.actions["download"] for each in answer.objects if "download" in each.actions}


async def _download(pointer: Pointer, action: _Action, allowed: Allowed) -> None:
    """Fetch one file beside its pointer, check it, and put it in its place."""
    address = _address(action.href)
    route = await route_to(address, allowed)
    headers = {name: value for name, value in action.header.items() if _HEADER.fullmatch(name) and value.isprintable()}
    made = pointer.path.with_name(f".{pointer.oid}.lfs")
    digest = hashlib.sha256()
    with made.open("wb") as file:

        def keep(piece: bytes) -> None:
            file.write(piece)
            digest.update(piece)

        await _call(address, route, keep, pointer.size, headers=headers)
    if digest.hexdigest() != pointer.oid:
        raise because("clone_failed", f"{pointer.path.name}: what the host sent for it is another file.")
    made.chmod(pointer.path.stat().st_mode & 0o777)
    made.replace(pointer.path)


def _address(href: str) -> Address:
    try:
        return address_of(href)
    except ValueError as error:
        raise because("clone_failed", "The host names an address for a file of Git LFS that cannot be used.") from error


async def _call(
    address: Address, route: Route, keep: Callable[[bytes], object], most: int, *, headers: Mapping[str, str], body: bytes | None = None
) -> None:
    """Ask, and hand what comes to `keep`; `Failed` beyond `most` bytes, and for what is no answer."""
    method = "GET" if body is None else "POST"
    try:
        async with asked(address, route, seconds=_SECONDS, method=method, headers=headers, body=body) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise because("clone_failed", f"{address.host} answered {answer.status_code} for a file of Git LFS.")
            async for piece in answer.aiter_raw(_PIECE):
                most -= len(piece)
                if most < 0:
                    raise because("clone_failed", f"{address.host} sends more than a file of Git LFS has.")
                keep(piece)
    except ASKING_ERRORS as error:
        raise because("git_unreachable", f"A file of Git LFS could not be fetched: {error or type(error).__name__}.") from error
