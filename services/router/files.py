"""The router's folder: where each file is, and how one is replaced so that it is never seen half written."""

import os
from pathlib import Path


class Files:
    """Paths under `$DOCKUP_HOME/router`. The folder is the owner's alone: it holds keys and the proxy's admin socket."""

    def __init__(self, home: str) -> None:
        self.root = Path(home).absolute() / "router"
        self.config = self.root / "haproxy.cfg"
        self.good = self.root / "haproxy.good.cfg"
        self.host_map = self.root / "host.map"
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

    def make(self) -> None:
        for folder in (self.root, self.certificates, self.authority, self.pages):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def certificate(self, host: str) -> Path:
        return self.certificates / f"{host}.pem"


def replace(path: Path, text: str) -> None:
    """Write `text` to `path` at once and for good: beside it, fsync, rename, fsync of the folder. Mode 0600."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def kept(path: Path, fresh: str) -> str:
    """The text of a file that is written once: what it holds, or `fresh` when it is new."""
    if path.is_file() and (text := path.read_text(encoding="utf-8").strip()):
        return text
    replace(path, fresh + "\n")
    return fresh
