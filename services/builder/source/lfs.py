"""Files of Git LFS, where they are asked for: the host is asked where they are, and each address is checked as the repository's was.

The protocol is https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md; only its `basic` transfer is spoken.
"""

import asyncio
import base64
import hashlib
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from libs.common.egress import Allowed, Route
from services.builder.failed import because
from services.builder.source.grammar import PORTS, Address
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
_OK = 200
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
    await _call(_Call(address, located.route, "POST", headers, msgspec.json.encode(body)), kept.extend, _MOST_ANSWER)
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

        await _call(_Call(address, route, "GET", headers, None), keep, pointer.size)
    if digest.hexdigest() != pointer.oid:
        raise because("clone_failed", f"{pointer.path.name}: what the host sent for it is another file.")
    made.chmod(pointer.path.stat().st_mode & 0o777)
    made.replace(pointer.path)


def _address(href: str) -> Address:
    """Where a file is: unlike a repository's address it has a query, which goes along with the path."""
    try:
        parts = urlsplit(href)
        port = parts.port
    except ValueError as error:
        raise because("clone_failed", "The host names an address for a file of Git LFS that cannot be read.") from error
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if parts.scheme not in PORTS or not parts.hostname or not re.fullmatch(r"[\x21-\x7e]*", target):
        raise because("clone_failed", "The host names an address for a file of Git LFS that cannot be used.")
    return Address(scheme=parts.scheme, host=parts.hostname, port=port or PORTS[parts.scheme], path=target or "/")


class _Call:
    """One request, in a thread, over a connection to a checked address; `close` from outside ends it."""

    def __init__(self, address: Address, route: Route, method: str, headers: Mapping[str, str], body: bytes | None) -> None:
        self._address = address
        self._route = route
        self._request = (method, address.path, body, {"Host": address.authority, **headers})
        self._socket: socket.socket | None = None
        self._closed = False

    def run(self, keep: Callable[[bytes], object], most: int) -> None:
        self._socket = socket.create_connection((self._route.addresses[0], self._route.port), timeout=_SECONDS)
        if self._address.scheme == "https":
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=self._route.host)
        connection = http.client.HTTPConnection(self._route.host, self._route.port)
        connection.sock = self._socket
        try:
            connection.request(*self._request)
            answer = connection.getresponse()
            if answer.status != _OK:
                raise because("clone_failed", f"{self._address.host} answered {answer.status} for a file of Git LFS.")
            while piece := answer.read(_PIECE):
                most -= len(piece)
                if self._closed or most < 0:
                    raise because("clone_failed", f"{self._address.host} sends more than a file of Git LFS has.")
                keep(piece)
        finally:
            connection.close()

    def close(self) -> None:
        self._closed = True
        if self._socket:
            self._socket.close()


async def _call(call: _Call, keep: Callable[[bytes], object], most: int) -> None:
    """Do it; cancelled, it returns when the thread has ended."""
    task = asyncio.ensure_future(asyncio.to_thread(call.run, keep, most))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        call.close()
        await asyncio.wait({task})
        raise
    except (OSError, http.client.HTTPException) as error:
        raise because("git_unreachable", f"A file of Git LFS could not be fetched: {error}.") from error
