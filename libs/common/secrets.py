"""Secrets: encrypted at rest and on the bus, hashed for look-up, masked in everything that is shown.

Encryption is Fernet (AES-128-CBC with HMAC-SHA256) with any number of keys: the first encrypts, all decrypt.
"""

import base64
import hashlib
import re
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from libs.common.errors import DockupError

T = TypeVar("T")

MASK = "••••••••"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PRIVATE|DSN|CREDENTIAL", re.IGNORECASE)
_SHORTEST_MASKED = 4


class UnreadableError(DockupError):
    """None of the keys in DOCKUP_SECRET_KEY opens this value."""


class Vault:
    """Encrypts and decrypts with the keys of `DOCKUP_SECRET_KEY` (comma-separated Fernet keys)."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])

    def seal(self, value: object) -> str:
        """Encrypt anything that msgspec can write as JSON."""
        return self._fernet.encrypt(msgspec.json.encode(value)).decode()

    def open(self, token: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._fernet.decrypt(token.encode()), type=kind)
        except InvalidToken as error:
            raise UnreadableError("a stored secret was encrypted with a key that DOCKUP_SECRET_KEY lacks") from error


def fingerprint(secret: str) -> str:
    """What a high-entropy secret (an API key) is looked up by: SHA-256 in hex. Never for passwords."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def spellings(value: str) -> frozenset[str]:
    """The value and its base64, standard and URL-safe: what a program prints of a secret when it does not print the secret."""
    raw = value.encode()
    coded = {encode(raw).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return frozenset({value, *coded}) if len(value) >= _SHORTEST_MASKED else frozenset()


def mask(text: str, values: tuple[str, ...]) -> str:
    """Replace each of `values` in `text`; values shorter than four characters are left, for they would mask everything."""
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST_MASKED:
            text = text.replace(value, MASK)
    return text
