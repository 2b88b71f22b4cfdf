"""Reading tar by its headers: bounded in memory whatever the archive claims, and nothing is ever unpacked.

`tarfile` keeps every member, and reads a long name or a PAX header of any length at once; here only its reading of one header is used.
"""

import tarfile
from collections.abc import Iterator
from typing import Protocol

import msgspec

BLOCK = 512
_LONGEST_EXTRA = 1024 * 1024
_FILES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
_KINDS = {
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
    tarfile.GNUTYPE_SPARSE: "sparse file",
}
_EXTRAS = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
_TEXT = ("utf-8", "surrogateescape")


class Broken(Exception):
    """It is no archive that can be taken; the message says why."""


class Source(Protocol):
    """Bytes from front to back. `read` gives fewer than asked at the end alone; `skip` raises `Broken` when so many do not follow."""

    @property
    def position(self) -> int: ...

    def read(self, size: int) -> bytes: ...

    def skip(self, size: int) -> None: ...


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `kind` is `file` or what stands in `_KINDS`; `target` is a link's; `offset` is where the content begins."""

    name: str
    kind: str
    target: str
    offset: int
    size: int


def members(source: Source, *, most: int, ends_exactly: bool = True) -> Iterator[Member]:
    """Each entry in turn, its content skipped. `Broken` for what is no tar, is cut off, or has more than `most` entries.

    Without `ends_exactly` an end between two entries is one too, as the engine's own reader has it.
    """
    extra: dict[str, str] = {}
    for _ in range(most + 1):
        block = source.read(BLOCK)
        if not block and not ends_exactly:
            return
        if len(block) < BLOCK:
            raise Broken("the archive is cut off: its end mark is missing")
        if not block.strip(b"\0"):
            return
        header = _header(block)
        if header.type in _EXTRAS:
            extra.update(_extra(source, header))
            continue
        if header.type == tarfile.XGLTYPE:
            _content(source, header.size)
            continue
        member = _member(header, extra, source.position)
        source.skip(padded(member.size))
        yield member
        extra = {}
    raise Broken(f"the archive has more than {most} entries")


def padded(size: int) -> int:
    """The bytes that content of `size` takes up."""
    return -(-size // BLOCK) * BLOCK


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, *_TEXT)
    except (tarfile.HeaderError, ValueError) as error:
        raise Broken(f"it is no tar archive, or a damaged one: {error}") from error
    if header.size < 0:
        raise Broken(f"the entry {header.name[:200]!r} has a negative size")
    return header


def _member(header: tarfile.TarInfo, extra: dict[str, str], offset: int) -> Member:
    if any(name.startswith("GNU.sparse.") for name in extra):
        kind = "sparse file"
    else:
        kind = "file" if header.type in _FILES else _KINDS.get(header.type, "special file")
    has_content = kind in {"file", "sparse file", "special file"}
    return Member(
        name=extra.get("path", header.name),
        kind=kind,
        target=extra.get("linkpath", header.linkname),
        offset=offset,
        size=_size(extra, header) if has_content else 0,
    )


def _size(extra: dict[str, str], header: tarfile.TarInfo) -> int:
    text = extra.get("size")
    if text is None:
        return header.size
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(2**63))):
        raise Broken(f"the size {text[:40]!r} is none")
    return int(text)


def _extra(source: Source, header: tarfile.TarInfo) -> dict[str, str]:
    """What a header that stands before another says of it."""
    content = _content(source, header.size)
    if header.type in {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}:
        return dict(_records(content))
    name = "path" if header.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
    return {name: content.split(b"\0", 1)[0].decode(*_TEXT)}


def _content(source: Source, size: int) -> bytes:
    if size > _LONGEST_EXTRA:
        raise Broken(f"a header of {size} bytes")
    content = source.read(padded(size))
    if len(content) < size:
        raise Broken("the archive is cut off")
    return content[:size]


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    """The records of a PAX header: `length key=value` and a newline each."""
    while content:
        length, space, _ = content.partition(b" ")
        if not space or not length.isdigit() or not len(length) < int(length[:7]) <= len(content):
            raise Broken("a PAX header that cannot be read")
        record, content = content[len(length) + 1 : int(length)], content[int(length) :]
        key, _, value = record.rstrip(b"\n").partition(b"=")
        yield key.decode(*_TEXT), value.decode(*_TEXT)
