"""Lines as a build's command line prints them. Pure."""

import re

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


def plain(raw: bytes) -> str:
    """A line as text, without what moves a terminal's cursor; of what overwrote itself the last."""
    text = raw.decode(errors="replace").rstrip("\r\n")
    head, _, last = text.rpartition("\r")
    if last and head:
        number = head.split(" ", 2)
        text = " ".join([*number[:2], last]) if text.startswith("#") and len(number) > 2 else last  # noqa: PLR2004 - `#5 0.3 text`
    return _ESCAPES.sub("", text)


def is_output(text: str) -> bool:
    """A step's own output is masked as a stream; everything else line by line."""
    return re.match(r"#\d+ \d+\.\d+( |$)", text) is not None
