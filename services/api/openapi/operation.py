"""The form of an entry in `operations`."""

from typing import Any

import msgspec


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What the route's signature leaves out.

    `answers`: status → type (None for no content), where the signature does not say them all. `text`: another media type that
    `Accept` may ask for. `body`: what a route takes that reads it by itself; `uploads`: it takes the archive of an image too.
    """

    errors: tuple[str, ...] = ()
    answers: dict[int, Any] = {}
    text: str = ""
    body: Any = None
    uploads: bool = False
