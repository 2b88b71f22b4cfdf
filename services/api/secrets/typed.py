"""A command as the audit may keep it, and as who may not change the app reads it: what was typed, without the secrets in it. Pure."""

import re
from collections.abc import Iterable

from libs.common.masking import Masker
from libs.common.secrets import MASK

_NAME = r"[\w.-]*(?:KEY|TOKEN|SECRET|PASS(?:WORD|WD|PHRASE)?|PRIVATE|DSN|CREDENTIAL|AUTHORIZATION)[\w.-]*"
_ASSIGNED = re.compile(rf"({_NAME}\s*[=:]\s*)(\"[^\"]*\"?|'[^']*'?|[^\s;&|]+)", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic)(\s+)[^\s'\"]+", re.IGNORECASE)
_IN_URL = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")
_OPTION = re.compile(rf"--?{_NAME}", re.IGNORECASE)
_SPACED = re.compile(rf"((?:^|\s)--?{_NAME}\s+)([^\s-]\S*)", re.IGNORECASE)


def hidden(command: Iterable[str], masker: Masker) -> list[str]:
    """Word by word. Hidden is what the masker knows, in each usual spelling, and what stands where a secret does.

    That is after a name that sounds like one, in the address of a server, and behind `Bearer`. What is typed later is never kept.
    """
    words: list[str] = []
    for word in command:
        is_value = bool(words) and _OPTION.fullmatch(words[-1]) is not None and not word.startswith("-")
        words.append(MASK if is_value else _hidden(masker.hide(word)))
    return words


def _hidden(text: str) -> str:
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    text = _IN_URL.sub(rf"\1{MASK}@", text)
    return _SPACED.sub(rf"\1{MASK}", _ASSIGNED.sub(rf"\1{MASK}", text))
