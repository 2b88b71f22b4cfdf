"""Secrets: encrypted at rest and on the bus, hashed for look-up, masked in everything that is shown.

Encryption is Fernet (AES-128-CBC with HMAC-SHA256) with any number of keys: the first encrypts, all decrypt.
"""

import base64
import contextlib
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
_ID_DIGITS = 12


class UnreadableError(DockupError):
    """None of the keys in DOCKUP_SECRET_KEY opens this value."""


class Vault:
    """Encrypts and decrypts with the keys of `DOCKUP_SECRET_KEY` (comma-separated Fernet keys).

    `key_ids` name the keys without telling them, the one that encrypts first.
    """

    def __init__(self, keys: str) -> None:
        self._keys = [Fernet(key) for key in split(keys)]
        self._fernet = MultiFernet(self._keys)
        self.key_ids = key_ids(keys)

    def seal(self, value: object) -> str:
        """Encrypt anything that msgspec can write as JSON."""
        return self._fernet.encrypt(msgspec.json.encode(value)).decode()

    def open(self, token: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._fernet.decrypt(token.encode()), type=kind)
        except InvalidToken as error:
            raise UnreadableError("a stored secret was encrypted with a key that DOCKUP_SECRET_KEY lacks") from error

    def key_of(self, token: str) -> int | None:
        """Which of the keys opens `token`, counted from 0; None for none."""
        for number, key in enumerate(self._keys):
            with contextlib.suppress(InvalidToken):
                key.decrypt(token.encode())
                return number
        return None

    def reseal(self, token: str) -> str:
        """The same value under the first key; `token` itself where that is so already, or where no key opens it."""
        return self._fernet.rotate(token.encode()).decode() if self.key_of(token) else token


def split(keys: str) -> tuple[str, ...]:
    """The keys of a `DOCKUP_SECRET_KEY`, the one that encrypts first."""
    return tuple(key.strip() for key in keys.split(","))


def key_ids(keys: str) -> tuple[str, ...]:
    """The start of each key's SHA-256: enough to tell them apart."""
    return tuple(fingerprint(key)[:_ID_DIGITS] for key in split(keys))


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
