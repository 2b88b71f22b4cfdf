"""What the verbs print for people: aligned, quiet, and in colour on a terminal alone (`NO_COLOR` is heeded)."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "dim": 2, "bold": 1}
_GAP = "  "
_STEPS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_KILO = 1024
_COLOUR = r"\x1b\[[0-9;:]*m"
_OBEYED = re.compile(rf"(?P<kept>{_COLOUR}|\r(?=(?:{_COLOUR})*$))|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", re.MULTILINE)


def echo(text: str = "", *, err: bool = False) -> None:
    """A terminal gets what is harmless to it; a file or a program all that came."""
    stream = sys.stderr if err else sys.stdout
    click.echo(harmless(text) if stream.isatty() else text, err=err, color=True)


def harmless(text: str) -> str:
    """Colours stay. What else a terminal obeys, such as to move, to take a title or to fill the clipboard, is spelled out."""
    return _OBEYED.sub(lambda found: found["kept"] or ascii(found[0])[1:-1], text)


def paint(text: str, colour: str | None) -> str:
    if colour is None or not text or not _in_colour():
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def _in_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Columns as wide as what is in them, the head dim; `empty` is said where there is no row."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        echo(empty)
        return
    widths = [max(_width(row[column]) for row in [list(head), *cells]) for column in range(len(head))]
    for row, colour in [(list(head), "dim"), *((row, None) for row in cells)]:
        line = _GAP.join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        echo(paint(line.rstrip(), colour))


def _width(cell: str) -> int:
    return len(click.unstyle(cell))


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """A name and what it is, a line each; what is empty is left out."""
    told = [(name, text) for name, text in pairs if text]
    width = max((len(name) for name, _ in told), default=0)
    for name, text in told:
        echo(f"{_GAP}{paint(name.ljust(width), 'dim')}{_GAP}{text}")


def ago(at: str | None, now: datetime | None = None) -> str:
    """`3 minutes ago`; `at` is RFC 3339."""
    if at is None:
        return ""
    return f"{since(at, now)} ago"


def since(at: str, now: datetime | None = None) -> str:
    """`3 minutes`, rounded down."""
    seconds = max(0, int(((now or datetime.now(UTC)) - datetime.fromisoformat(at)).total_seconds()))
    size, name = next((step for step in _STEPS if seconds >= step[0]), _STEPS[-1])
    count = seconds // size
    return f"{count} {name}" + ("" if count == 1 else "s")


def seconds(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def size(count: int | None) -> str:
    """Bytes in the unit that fits."""
    if count is None:
        return ""
    amount, units = float(count), iter(("B", "KB", "MB", "GB"))
    unit = next(units)
    while amount >= _KILO and unit != "GB":
        amount, unit = amount / _KILO, next(units)
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def clock(at: str) -> str:
    """A moment in this machine's own time zone."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
