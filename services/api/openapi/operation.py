"""The form of an entry in `operations`."""

from typing import Any

import msgspec


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What the route's signature leaves out.

    `answers`: status → type (None for no content), where the signature does not say them all. `texts`: other media types that
    `Accept` may ask for. `body`: what a route takes that reads it by itself; `uploads`: it takes the archive of an image too,
    `archive`: a tar archive of files.
    `frames`: what is sent over a WebSocket, for a route that is one.
    """

    errors: tuple[str, ...] = ()
    answers: dict[int, Any] = {}
    texts: tuple[str, ...] = ()
    body: Any = None
    uploads: bool = False
    archive: bool = False
    frames: str = ""
