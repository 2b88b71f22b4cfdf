"""The operator's own certificates: a folder that is looked at now and then, in any of the usual layouts.

`NAME.pem` with key and chain, `NAME.crt` (or `.pem`) beside `NAME.key`, and `fullchain.pem` beside `privkey.pem`, in folders below as well.
"""

from datetime import UTC, datetime
from pathlib import Path

import structlog

from services.router.acme import leaf

_KEY = "PRIVATE KEY-----"
_CHAINS = {".pem", ".crt"}

logger = structlog.get_logger()


class Own:
    """`find` gives the PEM of the certificate that covers a host and lasts longest."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None
        self._seen: dict[Path, tuple[float, int]] = {}
        self._found: list[tuple[leaf.Leaf, str]] = []
        self._holding: list[str] = []

    def look(self) -> bool:
        """Read the folder again; whether other certificates hold now than before, by what is in it or by the time."""
        if self._folder is None:
            return False
        seen = _stamps(self._folder)
        if seen != self._seen:
            chains = [path for path in seen if path.suffix in _CHAINS]
            self._seen, self._found = seen, [found for path in chains if (found := _pair(path)) is not None]
        now = datetime.now(UTC)
        before, self._holding = self._holding, [pem for found, pem in self._found if found.holds(now)]
        return self._holding != before

    def find(self, host: str) -> str | None:
        now = datetime.now(UTC)
        fitting = [(found.ends, pem) for found, pem in self._found if found.covers(host) and found.holds(now)]
        return max(fitting)[1] if fitting else None


def _stamps(folder: Path) -> dict[Path, tuple[float, int]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        try:
            status = path.stat()
        except OSError:  # it went meanwhile, or is a link to nothing
            continue
        if path.is_file():
            found[path] = (status.st_mtime, status.st_size)
    return found


def _pair(path: Path) -> tuple[leaf.Leaf, str] | None:
    """A certificate with its key; None for what is none, with a word in the log where it looks like one."""
    try:
        text = path.read_text(encoding="utf-8")
        if "BEGIN CERTIFICATE" not in text:
            return None
        key = text if _KEY in text else _key_beside(path)
        if key is None:
            return None
        pem = leaf.joined(text) if key is text else leaf.joined(text, key)
        leaf.check(pem)
        return leaf.read(text.encode()), pem
    except Exception as error:  # noqa: BLE001 - whatever somebody put there, the others are read
        logger.error("certificate.own_unusable", path=str(path), error=str(error))  # noqa: TRY400 - the sentence says it all
        return None


def _key_beside(path: Path) -> str | None:
    for beside in (path.with_suffix(".key"), path.with_name("privkey.pem") if path.name == "fullchain.pem" else path):
        if beside != path and beside.is_file():
            return beside.read_text(encoding="utf-8")
    return None
