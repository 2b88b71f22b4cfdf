"""The archive that the engine is given: written anew, with our one name and nothing of the user's but config and layers."""

import tarfile
from collections.abc import Callable, Iterator

import msgspec

from services.builder.archives.contents import Contents
from services.builder.archives.layout import Image
from services.builder.archives.sources import Slice
from services.builder.archives.tar import BLOCK, Broken, padded

_CHUNK = 1024 * 1024


def rewrite(contents: Contents, image: Image, name: str, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """The bytes of an archive of that image with the tag `name` alone; `on_bytes` hears how many were taken."""
    config = f"{image.digest}.json"
    sent = {member.offset: (f"{number}/layer.tar", member) for number, (member, _) in reversed(list(enumerate(image.layers)))}
    layers = [sent[member.offset][0] for member, _ in image.layers]
    manifest = msgspec.json.encode([{"Config": config, "RepoTags": [name], "Layers": layers}])
    yield _whole(config, image.config)
    for path, member in sent.values():
        yield _header(path, member.size)
        yield from _content(contents.slice(member), member.size, on_bytes)
    yield _whole("manifest.json", manifest) + bytes(2 * BLOCK)


def _content(source: Slice, size: int, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    while source.position < size:
        chunk = source.read(_CHUNK)
        if not chunk:
            raise Broken("the spooled file became shorter")
        on_bytes(len(chunk))
        yield chunk
    yield bytes(padded(size) - size)


def _whole(name: str, content: bytes) -> bytes:
    return _header(name, len(content)) + content + bytes(padded(len(content)) - len(content))


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry.tobuf(tarfile.GNU_FORMAT)
