"""An archive on its way into a volume: read member by member, and written anew, so that nothing but what was looked at gets there."""

import copy
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Self, cast

from libs.common.errors import DockupError
from services.runtime.volumes.plain import Busy, Plain, TooHungry

_BLOCK = 512
_CHUNK = 256 * 1024
_MOST_MEMBERS = 5_000_000
_LONGEST_NAME = 4096
_MOST_HEAD = 2 * 1024 * 1024
"""Bytes of one member's headers, its long names, attributes and map of holes among them: all of it is held at once."""
_MOST_LINKS, _LINK = 64 * 1024 * 1024, 100
"""Characters of all names of symbolic links, and what each costs beside its own."""
_UNREADABLE = (tarfile.TarError, EOFError, IndexError, zlib.error, lzma.LZMAError, OSError, ValueError, UnicodeError)
"""What reading raises of an archive that is none; `OSError` is bzip2's."""


class ArchiveRefused(DockupError):
    """Nothing of it is taken; the message says which member, and why."""


class ArchiveWaits(DockupError):
    """It may be taken later: too much of its kind is under way."""


class Unpacked:
    """The archive in `source` as clean tar; `files` and `size_bytes` count what came. Compressed by gzip, bzip2 or xz is taken too.

    `check_room` is asked with the bytes so far and raises when there is no room for more.
    """

    def __init__(self, source: IO[bytes], check_room: Callable[[int], None]) -> None:
        self._source = source
        self._check_room = check_room
        self._links: set[str] = set()
        self._links_size = 0
        self.files = 0
        self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            with closing(Plain(self._source)) as plain, tarfile.open(fileobj=cast("IO[bytes]", plain), mode="r|", tarinfo=_Member) as tar:
                while (member := tar.next()) is not None:
                    yield from self._one(tar, member)
                    tar.members = []  # type: ignore[attr-defined]
        except Busy as error:
            raise ArchiveWaits("Too many archives under xz are being unpacked; gzip needs no turn.") from error
        except TooHungry as error:
            raise ArchiveRefused("It takes more memory to unpack than one of xz -9 does; use a smaller dictionary, or gzip.") from error
        except _UNREADABLE as error:
            raise ArchiveRefused(f"It is no whole tar archive: {error}.") from error
        yield bytes(2 * _BLOCK)

    def _one(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
        self.files += 1
        if self.files > _MOST_MEMBERS:
            raise ArchiveRefused(f"It has more than {_MOST_MEMBERS} members.")
        clean = _clean(member)
        self._check_way(clean)
        yield clean.tobuf(tarfile.PAX_FORMAT)
        if not clean.isreg():
            return
        content = cast("IO[bytes]", tar.extractfile(member))
        while chunk := content.read(_CHUNK):
            self.size_bytes += len(chunk)
            self._check_room(self.size_bytes)
            yield chunk
        yield bytes(-clean.size % _BLOCK)

    def _check_way(self, member: tarfile.TarInfo) -> None:
        """No member stands behind a link that came before it: it would be written where that leads."""
        names = [member.name, member.linkname] if member.islnk() else [member.name]
        if any(place in self._links for name in names for place in _way(name)):
            raise ArchiveRefused(f"{member.name!r} stands behind a symbolic link.")
        if member.issym():
            self._note_link(member.name)
        else:
            self._links.discard(member.name)

    def _note_link(self, name: str) -> None:
        self._links_size += _LINK + len(name)
        if self._links_size > _MOST_LINKS:
            raise ArchiveRefused("It has more symbolic links than can be kept in mind.")
        self._links.add(name)


def _way(name: str) -> Iterator[str]:
    """The folders that lead to it."""
    parts = name.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


class _Head:
    """The archive while one member's headers are read: a few bytes of a compressed one may say that they are gigabytes long."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.tell = file.tell
        self._left = _MOST_HEAD

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise tarfile.ReadError(f"the headers of a member have more than {_MOST_HEAD // 1024**2} MB")
        return self.file.read(size)


class _Member(tarfile.TarInfo):
    """An archive ends with its mark: not where its bytes do, nor where they mean nothing."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """Called again by itself for the member that a header of names or attributes is about."""
        file = tarfile_.fileobj
        if isinstance(file, _Head):
            return cls._read(tarfile_)
        tarfile_.fileobj = _Head(cast("IO[bytes]", file))  # type: ignore[assignment]
        try:
            return cls._read(tarfile_)
        finally:
            tarfile_.fileobj = file

    @classmethod
    def _read(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"it breaks off: {error}") from error


def _clean(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """As it is to be written; `ArchiveRefused` for what may not be there."""
    name = _inside(member.name, "")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk() or member.isfifo()):
        raise ArchiveRefused(f"{member.name!r} is a device, or of a kind that a volume does not have.")
    clean = copy.copy(member)
    clean.name = name
    if member.islnk():
        clean.linkname = _inside(member.linkname, f"{member.name!r} is a link to ")
    if member.issym() and _leads_out(name, member.linkname):
        raise ArchiveRefused(f"{member.name!r} is a link to {member.linkname!r}, which leads out of the volume.")
    if member.isreg():
        clean.type, clean.sparse = tarfile.REGTYPE, None
    kept = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    clean.pax_headers = kept
    return clean


def _inside(name: str, what: str) -> str:
    """The path in its shortest form, below the volume's root; the root itself is `.`."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name or len(name) > _LONGEST_NAME:
        raise ArchiveRefused(f"{what}{name!r}{', which' if what else ''} leads out of the volume.")
    return posixpath.normpath(name)


def _leads_out(name: str, target: str) -> bool:
    """Of a relative link; an absolute one is the container's own affair."""
    if target.startswith("/"):
        return False
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target)).split("/")[0] == ".."
