"""An archive out of what it was compressed with, in pieces of a known size: a few of its bytes may stand for gigabytes."""

import bz2
import lzma
import threading
import zlib
from typing import IO, Protocol

_PIECE = 64 * 1024
_HEAD = 512
_GZIP = 31
"""What tells zlib to read gzip's own head and end."""
_XZ_MEMORY = 72 * 1024 * 1024
"""What `xz -9` needs to unpack is 65 MB; an archive may ask for four gigabytes."""
_MOST_XZ = 4

_xz_places = threading.BoundedSemaphore(_MOST_XZ)


class Busy(Exception):
    """As many archives as may be are being unpacked by what takes that much memory."""


class TooHungry(Exception):
    """It asks for more memory than an archive may have."""


class _Unpacker(Protocol):
    """One compressed stream. `unused_data` is what came behind its end, where `eof`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class Plain:
    """`source` as a file to read once, from its beginning to its end. Raises what `UNREADABLE` names; close it.

    `Busy` when too many archives under xz are open. Several streams one after the other are read as one.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._head = source.read(_HEAD)
        self._kind = _kind_of(self._head)
        self._has_place = False
        if self._kind == "xz":
            self._has_place = _xz_places.acquire(blocking=False)
            if not self._has_place:
                raise Busy
        self._unpacker = self._made()

    def close(self) -> None:
        if self._has_place:
            self._has_place = False
            self._unpacker = None
            _xz_places.release()

    def read(self, size: int) -> bytes:
        """At most `size` bytes, and none at the end alone."""
        if self._unpacker is None:
            return self._raw(size)
        while True:
            unpacker = self._unpacker
            if unpacker.eof and not self._begin_next(unpacker.unused_data):
                return b""
            data = self._raw(_PIECE) if self._unpacker.needs_input else b""
            try:
                out = self._unpacker.decompress(data, size)
            except lzma.LZMAError as error:
                if "limit" in str(error).lower():
                    raise TooHungry from error
                raise
            if out:
                return out
            if not data and self._unpacker.needs_input and not self._unpacker.eof:
                raise EOFError("its compressed data breaks off")

    def _begin_next(self, rest: bytes) -> bool:
        """Whether another stream follows; what else does is no part of the archive."""
        self._head = rest or self._raw(_HEAD)
        if _kind_of(self._head) != self._kind:
            return False
        self._unpacker = self._made()
        return True

    def _raw(self, size: int) -> bytes:
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._source.read(size)

    def _made(self) -> _Unpacker | None:
        if self._kind == "gz":
            return _Gzip()
        if self._kind == "bz2":
            return bz2.BZ2Decompressor()
        if self._kind == "xz":
            return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        return None


def _kind_of(head: bytes) -> str:
    if head.startswith(b"\x1f\x8b\x08"):
        return "gz"
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bz2"
    return "xz" if head.startswith((b"\x5d\x00\x00\x80", b"\xfd7zXZ")) else ""
