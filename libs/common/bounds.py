"""What fits into a message of the bus, which has at most 1 MiB. Pure.

Sizes are bytes as encoded in JSON, where a character takes up to six.
"""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

_LONGEST_CHARACTER = 6
_QUOTES = 2
_SEPARATOR = 1


def size(value: object) -> int:
    """Return how many bytes it has as JSON."""
    return len(msgspec.json.encode(value))


def cut(text: str, most: int) -> str:
    """Return the text, its end replaced by a mark of how many bytes (UTF-8) it had, where it would take more than `most` bytes."""
    if len(text) * _LONGEST_CHARACTER + _QUOTES <= most or size(text) <= most:
        return text
    room = most - size(_mark(text))
    kept = text[: bisect_right(range(1, min(len(text), most) + 1), room, key=lambda count: size(text[:count]))]
    return kept + _mark(text[len(kept) :])


def _mark(rest: str) -> str:
    return f" … [{len(rest.encode())} bytes cut]"


def newest(texts: Sequence[str], *, each: int, most: int) -> tuple[str, ...]:
    """Return the last of the texts, none longer than `each`, that have at most `most` bytes together."""
    kept: list[str] = []
    left = most
    for text in reversed(texts):
        short = cut(text, each)
        left -= size(short) + _SEPARATOR
        if left < 0:
            break
        kept.append(short)
    return tuple(reversed(kept))
