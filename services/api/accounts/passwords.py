"""argon2id, in threads and never more than two at once: each takes 64 MB and a tenth of a second."""

import asyncio
import hashlib
import secrets

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

# Of a random password: an unknown user costs the same time as a known one.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$tBJ1GDY4Ysdva3HMSVuB8A$d2/9OJ89Unkq2LR56ho6dJBi2h+W+rUeaULj4kZxLrc"
_GENERATED_BYTES = 15
_AT_ONCE = 2
_ROUNDS = 2**14

_hasher = PasswordHash((Argon2Hasher(),))
_gate = asyncio.Semaphore(_AT_ONCE)


async def make_hash(password: str) -> str:
    async with _gate:
        return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, hashed: str | None) -> bool:
    """Whether it is the password behind `hashed`; False for None, after the same time."""
    async with _gate:
        is_right = await asyncio.to_thread(_hasher.verify, password, hashed or NOBODY)
    return is_right and hashed is not None


async def stand_in(body: bytes, salt: str) -> bytes:
    """Always the same for the same, and as slow to guess from as a password's hash: a plain digest of one must not be kept."""
    async with _gate:
        return await asyncio.to_thread(hashlib.scrypt, body, salt=salt.encode(), n=_ROUNDS, r=8, p=1)


def generate() -> str:
    """20 url-safe characters."""
    return secrets.token_urlsafe(_GENERATED_BYTES)
