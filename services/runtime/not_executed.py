"""What the container's init, which is the engine's, writes when it could not start what the image or the command names. Pure."""

import re
from collections.abc import Iterable

_INIT = re.compile(r"\[FATAL tini \(\d+\)\] exec (.+) failed: (.+?)\s*$")


def not_executed(lines: Iterable[str]) -> tuple[str, str] | None:
    """The program and the reason; None where the app itself ran."""
    found = next((found for line in lines if (found := _INIT.match(line))), None)
    return (found[1], found[2]) if found else None
