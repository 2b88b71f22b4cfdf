"""Secrets in output that comes line by line: masked in every usual spelling, also where one goes over several lines.

`libs.common.secrets.mask` is for one text; here what one line begins may be ended by the next. Pure.
"""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from libs.common.secrets import MASK, spellings

_SHORTEST = 4
_SHORTEST_PART = 8
_SHORTEST_CODED = 6
_SHORTEST_BEGINNING = 3
_BYTE, _SEXTET = 8, 6


def forms(value: str) -> frozenset[str]:
    """What a program may print of a secret: itself, its longer lines, and how JSON, URLs, base64 and hexadecimal spell it."""
    if len(value) < _SHORTEST:
        return frozenset()
    raw = value.encode()
    parts = {part for part in value.splitlines() if len(part) >= _SHORTEST_PART}
    coded = {form for skipped in range(3) for form in _base64(raw, skipped) if len(form) >= _SHORTEST_CODED}
    written = {value.replace("\r", "").replace("\n", ""), json.dumps(value)[1:-1], quote(value, safe=""), raw.hex()}
    return frozenset(form for form in {*spellings(value), *written, *parts, *coded} if len(form) >= _SHORTEST and "\n" not in form)


def _base64(raw: bytes, skipped: int) -> tuple[str, ...]:
    """The part of the base64 that is the same whatever stands around it, with `skipped` bytes before it in its group of three."""
    begin, end = -(-skipped * _BYTE // _SEXTET), (skipped + len(raw)) * _BYTE // _SEXTET
    codes = (base64.b64encode, base64.urlsafe_b64encode)
    return tuple(encode(bytes(skipped) + raw).decode()[begin:end] for encode in codes)


class Masker:
    """Knows the forms of some secrets. `hide` is for a text that stands alone."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for form in forms(secret)}
        self._forms = sorted(found, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if found else None

    def hide(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern and self._is_in(text) else text

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand, in order, none over another."""
        return [found.span() for found in self._pattern.finditer(text)] if self._pattern and self._is_in(text) else []

    def _is_in(self, text: str) -> bool:
        # Looking for each is far faster than the pattern of all, and mostly there is none.
        return any(form in text for form in self._forms)

    def begins(self, text: str) -> int:
        """Where at the end of `text` a secret may have begun; its length where none has."""
        first = len(text)
        for form in self._forms:
            start = text.find(form[:_SHORTEST_BEGINNING], max(0, len(text) - len(form) + 1))
            while 0 <= start < first:
                if form.startswith(text[start:]):
                    first = start
                start = text.find(form[:_SHORTEST_BEGINNING], start + 1)
        return first


class Lines:
    """One stream of lines. What `take` returns may be shown; a line that ends with a secret's beginning is held until the next one.

    A beginning of one or two characters is not held, for nearly every line ends with one: it shows, and what follows it does not.
    """

    def __init__(self, masker: Masker) -> None:
        self.masker = masker
        """Another may take its place between two lines."""
        self._shown = ""
        self._held: list[str] = []

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def take(self, *lines: str) -> list[str]:
        self._held += lines
        joined = self._shown + "".join(self._held)
        spans = self.masker.spans(joined)
        done = spans[-1][1] if spans else 0
        begun = done + self.masker.begins(joined[done:])
        count, at, place = 0, len(self._shown), 0
        for number, each in enumerate(self._held, 1):
            at += len(each)
            if at > begun:
                break
            while place < len(spans) and spans[place][1] <= at:
                place += 1
            if place == len(spans) or spans[place][0] >= at:
                count = number
        return self._let_go(count, spans)

    def end(self) -> list[str]:
        """What is still held: no line follows. The beginning of a secret that was never ended is hidden as well, if it is long."""
        joined = self._shown + "".join(self._held)
        spans = self.masker.spans(joined)
        begun = self.masker.begins(joined)
        if len(joined) - begun >= _SHORTEST_PART:
            spans = [*(span for span in spans if span[1] <= begun), (begun, len(joined))]
        return self._let_go(len(self._held), spans)

    def _let_go(self, count: int, spans: list[tuple[int, int]]) -> list[str]:
        ready = _masked([self._shown, *self._held[:count]], spans)[1:]
        self._shown = (self._shown + "".join(self._held[:count]))[1 - _SHORTEST_BEGINNING :]
        del self._held[:count]
        return ready


def _masked(lines: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """The lines without what of their joined text lies in the spans; the mask stands where a span begins.

    The first line is what was shown already: the mask of a span that begins in it stands in the second, so that what is left on both
    sides of it does not make a secret.
    """
    found, begin, place = [], 0, 0
    for number, line in enumerate(lines):
        end, at, text = begin + len(line), begin, ""
        while place < len(spans) and spans[place][0] < end:
            start, stop = spans[place]
            if stop > at:
                text += line[at - begin : max(start, at) - begin] + (MASK if start >= begin or number == 1 else "")
                at = min(stop, end)
            if stop > end:
                break  # it goes on in the next line
            place += 1
        found.append(text + line[at - begin :])
        begin = end
    return found
