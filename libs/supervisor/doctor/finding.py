"""What the doctor says: one line, and what to do about it."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """A problem is something that does not work now; a warning is what may become one; skipped is what there is nothing to say of."""

    SKIPPED = "skipped"
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`check` is the part that was looked at; `do` says what to do next, empty where nothing is to be done."""

    check: str
    level: Level
    text: str
    do: str = ""


def ok(check: str, text: str) -> Finding:
    return Finding(check=check, level=Level.OK, text=text)


def skipped(check: str, text: str) -> Finding:
    return Finding(check=check, level=Level.SKIPPED, text=text)


def warning(check: str, text: str, do: str = "") -> Finding:
    return Finding(check=check, level=Level.WARNING, text=text, do=do)


def problem(check: str, text: str, do: str) -> Finding:
    return Finding(check=check, level=Level.PROBLEM, text=text, do=do)
