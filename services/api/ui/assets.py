"""The files of the web UI, read once. All of them change their address when one of them changes, so each may be kept for ever."""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).with_name("static")
_INDEX = "index.html"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """`packed` is the body under gzip."""

    body: bytes
    media_type: str
    packed: bytes


@cache
def assets() -> dict[str, Asset]:
    """By file name: everything but the page itself."""
    paths = sorted(path for path in _FOLDER.iterdir() if path.suffix in _TYPES)
    return {path.name: _asset(path.read_bytes(), _TYPES[path.suffix]) for path in paths}


def _asset(body: bytes, media_type: str) -> Asset:
    return Asset(body, media_type, gzip.compress(body, mtime=0))


@cache
def version() -> str:
    """Of all files together. It stands in their paths, so that a page never runs the scripts of another version of itself."""
    digest = hashlib.sha256()
    for name, asset in assets().items():
        digest.update(f"{name}\0{len(asset.body)}\0".encode() + asset.body)
    return digest.hexdigest()[:16]


@cache
def page() -> bytes:
    """The one page; its scripts make the rest."""
    return (_FOLDER / _INDEX).read_text(encoding="utf-8").replace("{version}", version()).encode()
