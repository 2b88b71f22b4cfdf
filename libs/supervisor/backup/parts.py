"""What a backup holds, and where each part lies in the state folder."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from libs.supervisor.backup import databases, streams
from libs.supervisor.home import Home

MANIFEST = "manifest.json"
STREAMS = "streams"
IMAGES = "images"
POSTGRES = "database.pgdump"
DATABASE = "api/dockup.db"
FORMAT = 1

# Files and folders that are copied as they are.
_PLAIN = ("state.json", "dockup.env", "credentials.json", "backup.recipient", "router", "runtime")
_SQLITE = (DATABASE, "metrics/history.db")
OF_THIS_RUN = frozenset({".sock", ".pid", ".lock"})
"""Sockets and pid files: a backup has no use for them."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`parts`: the path of each file in the archive and its SHA-256. `images`: the file of each image and the tags that it had."""

    format: int
    version: str
    schema: str
    instance: str
    created_at: str
    parts: dict[str, str]
    images: dict[str, list[str]] = {}


def gather(home: Home, *, database_url: str, nats_url: str, folder: Path, say: Callable[[str], None]) -> str:
    """Copy everything but the images into `folder`; return the version of SQLite's schema. `database_url` names a PostgreSQL database."""
    for name in _PLAIN:
        _copy(home.root / name, folder / name)
    for name in _SQLITE:
        if (home.root / name).exists():
            databases.copy_sqlite(home.root / name, folder / name)
    if database_url:
        databases.dump_postgres(database_url, folder / POSTGRES)
        schema = ""
    else:
        schema = databases.check_sqlite(folder / DATABASE)
    (folder / STREAMS).mkdir()
    found = streams.run(streams.save, nats_url, folder / STREAMS)
    say(f"database, settings, keys, certificates; streams: {', '.join(found) or 'none'}")
    return schema


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        for child in sorted(source.iterdir()):
            _copy(child, target / child.name)
    elif source.is_file() and source.suffix not in OF_THIS_RUN:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(source.stat().st_mode & 0o700)
