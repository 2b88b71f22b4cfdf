"""What the engine says while it pulls: progress added up over the layers, and what its errors mean. Pure."""

import msgspec

from libs.common.engine.errors import (
    DiskFull,
    ImageInvalid,
    ImageNotFound,
    PullError,
    PullFailed,
    RegistryAuth,
    RegistryUnreachable,
)


class PullProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Layers that are whole, and bytes of those whose size is known so far; all of it grows while the pull goes on."""

    done_layers: int
    total_layers: int
    done_bytes: int
    total_bytes: int


class _Detail(msgspec.Struct):
    current: int = 0
    total: int = 0


class _Error(msgspec.Struct):
    message: str = ""


class PullLine(msgspec.Struct, rename="camel"):
    """One line of the engine's answer; `stream` is for people to read."""

    status: str = ""
    stream: str = ""
    id: str = ""
    error: str = ""
    progress_detail: _Detail | None = None
    error_detail: _Error | None = None


# The first that fits wins, so what is surer stands first. All are pieces of what the engine or a registry says, in lower case.
_MEANINGS: tuple[tuple[type[PullError], tuple[str, ...]], ...] = (
    (DiskFull, ("no space left on device", "disk quota exceeded")),
    (ImageInvalid, ("no matching manifest", "does not match the specified platform", "unsupported manifest", "media type")),
    (
        RegistryUnreachable,
        (
            "dial tcp",
            "no such host",
            "connection refused",
            "connection reset",
            "timeout",
            "deadline exceeded",
            "x509",
            "tls:",
            "server gave http response",
            "unexpected http status: 5",
            ": eof",
        ),
    ),
    (RegistryAuth, ("unauthorized", "authentication required", "no basic auth credentials", "incorrect username")),
    (ImageNotFound, ("manifest unknown", "not found", "does not exist", "name unknown", "pull access denied")),
)


def meaning(text: str) -> PullError:
    """Return the error that the engine's or a registry's words stand for."""
    lowered = text.lower()
    kind = next((kind for kind, signs in _MEANINGS if any(sign in lowered for sign in signs)), PullFailed)
    return kind(text)


class Tally:
    """Adds up the lines of one pull."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._complete: set[str] = set()

    def take(self, line: PullLine) -> None:
        if not line.id or line.status.startswith("Pulling from"):
            return
        current, total = self._layers.setdefault(line.id, (0, 0))
        if line.status == "Downloading" and line.progress_detail is not None:
            self._layers[line.id] = (line.progress_detail.current, max(total, line.progress_detail.total))
        elif line.status in {"Download complete", "Extracting", "Pull complete"}:
            self._layers[line.id] = (max(current, total), total)
        if line.status in {"Pull complete", "Already exists"}:
            self._complete.add(line.id)

    def progress(self) -> PullProgress:
        return PullProgress(
            done_layers=len(self._complete),
            total_layers=len(self._layers),
            done_bytes=sum(current for current, _total in self._layers.values()),
            total_bytes=sum(total for _current, total in self._layers.values()),
        )
