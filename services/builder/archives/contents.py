"""An archive as a table of its files: where each lies in the spooled file. Nothing in it has a path of its own on this machine."""

import posixpath
import threading
from typing import TypeVar

import msgspec

from services.builder.archives.sources import Slice
from services.builder.archives.tar import Broken, Member, members

T = TypeVar("T")
_MOST = 10_000
_LARGEST_TEXT = 4 * 1024 * 1024
_HOPS = 4
_TAKEN = {"file", "folder", "link"}


class Contents:
    """The files of one archive; `read` and `slice` give what is in them."""

    def __init__(self, descriptor: int, size: int, stop: threading.Event) -> None:
        self._descriptor = descriptor
        self._stop = stop
        self._found: dict[str, Member] = {}
        for member in members(Slice(descriptor, 0, size, stop), most=_MOST):
            self._note(member)

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def file(self, name: str) -> Member:
        """The file of that name, through links inside of the archive; `Broken` when there is none."""
        path = inside(name)
        for _ in range(_HOPS):
            found = self._found.get(path)
            if found is None or found.kind == "folder":
                raise Broken(f"{name[:200]!r} is named in the archive's list and is not in the archive")
            if found.kind == "file":
                return found
            path = inside(posixpath.join(posixpath.dirname(path), found.target))
        raise Broken(f"{name[:200]!r} is a link that leads nowhere")

    def slice(self, member: Member) -> Slice:
        return Slice(self._descriptor, member.offset, member.size, self._stop)

    def read(self, name: str) -> bytes:
        """The whole of a small file."""
        member = self.file(name)
        if member.size > _LARGEST_TEXT:
            raise Broken(f"{name[:200]!r} has {member.size} bytes; a description has {_LARGEST_TEXT} at most")
        return self.slice(member).read(member.size)

    def parse(self, name: str, kind: type[T]) -> T:
        return parse(self.read(name), kind, name)

    def _note(self, member: Member) -> None:
        if member.kind not in _TAKEN:
            raise Broken(f"the entry {member.name[:200]!r} is a {member.kind}; an image's archive has files and folders alone")
        name = inside(member.name)
        if member.kind == "link":
            inside(posixpath.join(posixpath.dirname(name), member.target))
        if name in self._found and not self._found[name].kind == member.kind == "folder":
            raise Broken(f"the name {name[:200]!r} stands in the archive twice")
        self._found[name] = member


def parse(text: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Broken(f"{name[:200]!r} cannot be read: {error}") from error


def inside(name: str) -> str:
    """The name in its one spelling; `Broken` when it leads out of the archive."""
    path = posixpath.normpath(name)
    if "\0" in name or path == ".." or path.startswith(("/", "../")):
        raise Broken(f"the path {name[:200]!r} leads out of the archive")
    return path
