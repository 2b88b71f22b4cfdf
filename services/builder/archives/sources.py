"""Where bytes of an archive come from: a part of a file, or what a compressed part unpacks to, counted and never stored."""

import os
import threading
import zlib

import msgspec

from services.builder.archives.tar import Broken

GZIP_MARK = b"\x1f\x8b"
_CHUNK = 256 * 1024
_ONCE = 1024 * 1024
_MARKS = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2"}
_RATIO, _RATIO_FROM = 200, 256 * 1024 * 1024


class GivenUp(Exception):
    """Somebody wants the work to end."""


class TooLarge(Exception):
    """It unpacks to more than is allowed; the message says to how much at least."""


class Allowance:
    """How many bytes everything together may unpack to. What honest layers hold does not shrink to a two-hundredth."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._unpacked = 0

    def take(self, unpacked: int) -> None:
        self._unpacked += unpacked
        if self._unpacked > self._most:
            raise TooLarge(f"it unpacks to more than {self._most // 1024**2} MB")


class Slice:
    """`size` bytes of a file from `start` on; several slices of one file do not disturb each other. `stop` ends whoever reads."""

    def __init__(self, descriptor: int, start: int, size: int, stop: threading.Event) -> None:
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._stop = stop
        self.position = 0

    def read(self, size: int) -> bytes:
        if self._stop.is_set():
            raise GivenUp
        found = os.pread(self._descriptor, min(size, self._size - self.position), self._start + self.position)
        self.position += len(found)
        return found

    def skip(self, size: int) -> None:
        if self.position + size > self._size:
            raise Broken("the archive is cut off in the middle of an entry")
        self.position += size


class Gunzip:
    """What a gzip stream unpacks to, piece by piece."""

    def __init__(self, packed: Slice, allowance: Allowance) -> None:
        self._packed = packed
        self._allowance = allowance
        self._unpack = zlib.decompressobj(wbits=31)
        self._waiting = b""
        self._ready = bytearray()
        self._done = False
        self._unpacked = 0
        self.position = 0

    def read(self, size: int) -> bytes:
        while len(self._ready) < size and not self._done:
            self._more()
        found = bytes(self._ready[:size])
        del self._ready[:size]
        self.position += len(found)
        return found

    def skip(self, size: int) -> None:
        while size:
            found = len(self.read(min(size, _ONCE)))
            if not found:
                raise Broken("the archive is cut off in the middle of an entry")
            size -= found

    def drain(self) -> None:
        """Read to the end, as the engine will."""
        while self.read(_ONCE):
            pass

    def _more(self) -> None:
        if self._unpack.eof:
            rest = self._unpack.unused_data or self._packed.read(_CHUNK)
            if not rest.strip(b"\0"):
                self._done = True
                return
            self._unpack, self._waiting = zlib.decompressobj(wbits=31), rest
        data = self._waiting or self._packed.read(_CHUNK)
        if not data:
            raise Broken("the compressed data is cut off")
        try:
            found = self._unpack.decompress(data, _ONCE)
        except zlib.error as error:
            raise Broken(f"the compressed data is damaged: {error}") from error
        self._waiting = self._unpack.unconsumed_tail
        self._count(len(found))
        self._ready += found

    def _count(self, found: int) -> None:
        self._allowance.take(found)
        self._unpacked += found
        if self._unpacked > max(_RATIO_FROM, _RATIO * self._packed.position):
            raise TooLarge(f"{self._packed.position} bytes unpack to more than {self._unpacked // 1024**2} MB: no honest image does")


class Compression(msgspec.Struct, frozen=True):
    is_gzip: bool


def compression(head: bytes, what: str) -> Compression:
    """How something that begins with `head` is compressed; `Broken` for a way that not every engine takes."""
    other = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if other:
        raise Broken(f"{what} is compressed with {other}, which not every engine takes; use gzip or none")
    return Compression(is_gzip=head.startswith(GZIP_MARK))
