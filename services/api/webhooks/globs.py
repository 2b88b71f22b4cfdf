"""Globs over paths in a repository: `*` and `?` within one part, `**` over any number of parts; a folder means all that is in it."""

import re
from collections.abc import Iterable
from functools import lru_cache


def matches(pattern: str, path: str) -> bool:
    return _compiled(pattern).fullmatch(path) is not None


def any_matches(patterns: Iterable[str], paths: Iterable[str]) -> bool:
    """Whether one of `paths` is one of `patterns`."""
    compiled = [_compiled(pattern) for pattern in patterns]
    return any(each.fullmatch(path) for path in paths for each in compiled)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    # `**` beside `**` says no more than one, and would have the search try every way to share a path among them.
    parts: list[str] = []
    for part in pattern.strip("/").split("/"):
        if part != "**" or parts[-1:] != ["**"]:
            parts.append(part)
    text = "".join(_part(part, is_last=number == len(parts) - 1) for number, part in enumerate(parts))
    return re.compile(rf"{text}(?:/.*)?", re.DOTALL)


def _part(part: str, *, is_last: bool) -> str:
    if part == "**":
        return ".*" if is_last else "(?:[^/]+/)*"
    squeezed = re.sub(r"\*+", "*", part)
    text = "".join({"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character)) for character in squeezed)
    return text if is_last else f"{text}/"
