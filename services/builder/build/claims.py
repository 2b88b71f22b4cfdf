"""Who builds on this machine now, and what each wants of the one cgroup that all builds share.

Each has a file with its wants, locked for as long as it builds: a builder that is killed loses its lock, and by that its say.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

Files = tuple[tuple[str, str], ...]
"""Paths in cgroup file systems, and what is to stand there."""

_MACHINE = Path("/run/dockup-builds")
_files = msgspec.json.Decoder(Files)


def folder(home: Path) -> Path:
    """Where every builder of the machine looks; in `home` for one that may not write there, and so may not limit anything either."""
    with contextlib.suppress(OSError):
        _MACHINE.mkdir(mode=0o700, exist_ok=True)
    return _MACHINE if os.access(_MACHINE, os.W_OK | os.X_OK) else home / "limits"


class Claims:
    """Everything but `claim` wants `alone` held, and is quick."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = folder / "before.json"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """No other builder of the machine looks or writes meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def claim(self, wanted: Files) -> contextlib.ExitStack:
        """Note what is wanted; closing what is returned takes the note back."""
        path = self._folder / f"{os.getpid()}.{secrets.token_hex(4)}.claim"
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(path.open("xb"))
            fcntl.flock(file, fcntl.LOCK_EX)
            stack.callback(path.unlink, missing_ok=True)
            file.write(msgspec.json.encode(wanted))
            file.flush()
            return stack.pop_all()

    def live(self) -> list[Files]:
        """What those want who build now; a note that a killed builder left goes."""
        found = []
        for path in sorted(self._folder.glob("*.claim")):
            with contextlib.suppress(OSError, msgspec.DecodeError), path.open("rb") as file:
                if _is_held(file.fileno()):
                    found.append(_files.decode(file.read()))
                else:
                    path.unlink(missing_ok=True)
        return found

    def note_before(self, files: Iterable[tuple[str, str]]) -> None:
        """Keep what stood there before anybody built; what was noted already counts."""
        if not self._before.exists():
            self._before.write_bytes(msgspec.json.encode(tuple(files)))

    def take_before(self) -> Files:
        """What stood there before anybody built, and forget it. Empty where nothing is noted."""
        try:
            return _files.decode(self._before.read_bytes())
        except (OSError, msgspec.DecodeError):
            return ()
        finally:
            self._before.unlink(missing_ok=True)


def strictest(claims: Iterable[Files]) -> Files:
    """Of each file the least that anybody wants."""
    found: dict[str, str] = {}
    for name, value in (each for files in claims for each in files):
        found[name] = min(found.get(name, value), value, key=_amount)
    return tuple(found.items())


def _amount(value: str) -> float:
    """`max` and -1 are no limit; of a quota with its period the quota counts."""
    first = value.split(" ", maxsplit=1)[0]
    return float(first) if first.isdigit() else float("inf")


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
