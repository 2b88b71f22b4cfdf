"""A look at each layer before the engine unpacks it: names that lead out, files of holes, and what compressed ones unpack to."""

import posixpath

from services.builder.archives.contents import Contents
from services.builder.archives.layout import Image
from services.builder.archives.sources import Allowance, Gunzip, compression
from services.builder.archives.tar import Broken, Member, Source, members

_MOST = 1_000_000
"""Entries of all layers together."""
_HEAD = 8


def check(contents: Contents, image: Image, allowance: Allowance) -> None:
    """`Broken` or `TooLarge` when the engine had better not see the layers. A layer that stands twice is looked at once."""
    left = _MOST
    for layer in {member.offset: member for member, _ in image.layers}.values():
        left -= _check(contents, layer, allowance, left)


def _check(contents: Contents, layer: Member, allowance: Allowance, most: int) -> int:
    packed = contents.slice(layer)
    if not compression(contents.slice(layer).read(_HEAD), f"the layer {layer.name[:200]!r}").is_gzip:
        allowance.take(layer.size)
        return _walk(packed, layer, most)
    unpacked = Gunzip(packed, allowance)
    found = _walk(unpacked, layer, most)
    unpacked.drain()
    return found


def _walk(source: Source, layer: Member, most: int) -> int:
    count = 0
    for member in members(source, most=most, ends_exactly=False):
        count += 1
        if member.kind in {"sparse file", "special file"}:
            raise Broken(f"the layer {layer.name[:200]!r} has {member.name[:200]!r}, a {member.kind}, which no image needs")
        if _leads_out(member.name) or (member.kind == "hard link" and _leads_out(member.target)):
            raise Broken(f"the layer {layer.name[:200]!r} has a path that leads out of it: {member.name[:200]!r}")
    return count


def _leads_out(path: str) -> bool:
    """A leading slash means the image's own root, as the engine has it."""
    clean = posixpath.normpath(path.lstrip("/") or ".")
    return clean == ".." or clean.startswith("../")
