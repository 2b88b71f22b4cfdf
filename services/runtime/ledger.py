"""What this process has to know of when it is back after its death, and the engine does not tell: a file for each, mostly an empty one."""

import os
from pathlib import Path

_UNFINISHED = ".new-"


class Ledger:
    """`home` is the installation's, `kind` what the entries are; each is an id."""

    def __init__(self, home: str, kind: str) -> None:
        self._folder = Path(home) / "runtime" / kind
        self._folder.mkdir(parents=True, exist_ok=True)

    def __contains__(self, entry: str) -> bool:
        return (self._folder / entry).exists()

    def note(self, entry: str, body: bytes = b"") -> None:
        """The file is there with all of `body`, or as it was."""
        if not body:
            (self._folder / entry).touch()
            return
        fresh = self._folder / f"{_UNFINISHED}{entry}"
        with fresh.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / entry)

    def read(self, entry: str) -> bytes:
        return (self._folder / entry).read_bytes()

    def forget(self, entry: str) -> None:
        (self._folder / entry).unlink(missing_ok=True)

    def all(self) -> list[str]:
        return [path.name for path in self._folder.iterdir() if not path.name.startswith(_UNFINISHED)]
