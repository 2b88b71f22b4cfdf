"""Ids: a prefix and a UUIDv7 (RFC 9562, 5.7) in hex, so that they sort by the time they were made."""

import secrets
import time

_RANDOM_BITS = 74


def new(prefix: str) -> str:
    """Return `{prefix}_` and 32 hex digits."""
    milliseconds = time.time_ns() // 1_000_000
    noise = secrets.randbits(_RANDOM_BITS)
    high = (milliseconds << 16) | 0x7000 | (noise >> 62)
    low = (0b10 << 62) | (noise & ((1 << 62) - 1))
    return f"{prefix}_{(high << 64) | low:032x}"
