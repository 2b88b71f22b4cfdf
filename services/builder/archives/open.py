"""From the spooled file to an image that may be loaded; unpacked on the way where the whole is compressed."""

import contextlib
import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.builder.archives import layers, layout
from services.builder.archives.contents import Contents
from services.builder.archives.layout import Image
from services.builder.archives.sources import Allowance, Gunzip, Slice, compression

_HEAD = 8
_CHUNK = 1024 * 1024
_RESERVE = 512 * 1024 * 1024
"""What stays free of the disk whatever an upload unpacks to."""


class Opened(msgspec.Struct, frozen=True):
    contents: Contents
    image: Image


@contextlib.contextmanager
def opened(path: Path, *, architecture: str, most: int, stop: threading.Event) -> Iterator[Opened]:
    """Check the archive; what is given is good for as long as the block lasts.

    `most` bounds the bytes that whole and layers each may unpack to. Raises `Broken`, `TooLarge`, `GivenUp`, and OSError of the disk.
    """
    with contextlib.ExitStack() as stack:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        stack.callback(os.close, descriptor)
        size = os.fstat(descriptor).st_size
        if compression(os.pread(descriptor, _HEAD, 0), "the archive").is_gzip:
            # A file without a name: it goes with the process, however that ends.
            plain = stack.enter_context(tempfile.TemporaryFile(dir=path.parent))
            _unpack(Gunzip(Slice(descriptor, 0, size, stop), Allowance(most)), plain.fileno())
            descriptor, size = plain.fileno(), os.fstat(plain.fileno()).st_size
        contents = Contents(descriptor, size, stop)
        image = layout.read(contents, architecture)
        layers.check(contents, image, Allowance(most))
        yield Opened(contents, image)


def _unpack(source: Gunzip, descriptor: int) -> None:
    while chunk := source.read(_CHUNK):
        disk = os.fstatvfs(descriptor)
        if disk.f_bavail * disk.f_frsize < _RESERVE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]
