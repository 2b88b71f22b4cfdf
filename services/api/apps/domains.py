"""The copy of an app's domains in its own row: which there are, and which of them are verified. Read with each look at the app."""

from collections.abc import Mapping

import msgspec

from services.api.apps.models import AppRow

_decoder = msgspec.json.Decoder(dict[str, bool])


def names(app: AppRow) -> list[str]:
    """Every name, oldest first."""
    return list(_decoder.decode(app.domains))


def routed(app: AppRow) -> tuple[str, ...]:
    """Those that are verified, and so lead to the app."""
    return tuple(name for name, verified in _decoder.decode(app.domains).items() if verified)


def note(app: AppRow, name: str, *, verified: bool) -> None:
    _write(app, {**_decoder.decode(app.domains), name: verified})


def forget(app: AppRow, name: str) -> bool:
    """Leave it out; say whether it was verified."""
    found = _decoder.decode(app.domains)
    was_verified = found.pop(name, False)
    _write(app, found)
    return was_verified


def _write(app: AppRow, found: Mapping[str, bool]) -> None:
    app.domains = msgspec.json.encode(found).decode()
