"""Time as the HTTP contract writes it: UTC, RFC 3339, milliseconds, `Z`."""

import re
from datetime import UTC, datetime

_ENGINE_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    return rfc3339(datetime.now(UTC))


def parse(text: str) -> datetime:
    """Read RFC 3339, the engine's nine decimals included; `ValueError` for anything else or without a zone."""
    moment = datetime.fromisoformat(_ENGINE_NANOSECONDS.sub(r"\1", text))
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is outside of the years 1 to 9999 in UTC") from error
