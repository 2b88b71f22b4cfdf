"""The router's folder: where each file is, and how one is replaced so that it is never seen half written."""

import os
from collections.abc import Mapping
from pathlib import Path


class Files:
    """Paths under `$DOCKUP_HOME/router`. The folder is the owner's alone: it holds keys and the proxy's admin socket."""

    def __init__(self, home: str) -> None:
        self.root = Path(home).absolute() / "router"
        self.config = self.root / "haproxy.cfg"
        self.good = self.root / "haproxy.good.cfg"
        self.host_map = self.root / "host.map"
        self.waker = self.root / "waker.lua"
        self.crt_list = self.root / "crt-list"
        self.table = self.root / "table.json"
        self.identity = self.root / "id"
        self.probe_token = self.root / "probe-token"
        self.pid = self.root / "haproxy.pid"
        self.log = self.root / "haproxy.log"
        self.admin = self.root / "admin.sock"
        self.master = self.root / "master.sock"
        self.certificates = self.root / "certs"
        self.authority = self.root / "ca"
        self.pages = self.root / "pages"
        self.acme = self.root / "acme"

    def make(self) -> None:
        for folder in (self.root, self.certificates, self.authority, self.pages):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def map(self, name: str) -> Path:
        return self.root / f"{name}.map"

    def certificate(self, host: str) -> Path:
        return self.certificates / f"{host}.pem"


def replace_all(folder: Path, texts: Mapping[str, str]) -> None:
    """Replace the files of these names, in this order, one fsync of the folder for all."""
    for name, text in texts.items():
        _replace(folder / name, text)
    _sync(folder)


def replace(path: Path, text: str) -> None:
    """Write `text` to `path` at once and for good: beside it, fsync, rename, fsync of the folder. Mode 0600."""
    _replace(path, text)
    _sync(path.parent)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept(path: Path, fresh: str) -> str:
    """The text of a file that is written once: what it holds, or `fresh` when it is new."""
    if path.is_file() and (text := path.read_text(encoding="utf-8").strip()):
        return text
    replace(path, fresh + "\n")
    return fresh
