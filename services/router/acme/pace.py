"""When a certificate is to be asked for, and how long to wait after a failure. Pure; times are aware datetimes."""

import hashlib
from datetime import datetime, timedelta

from libs.common.clock import parse
from libs.common.messages.router import Certificate

_GROWTH = 3.0
_MOST_STEPS = 12
_LONGEST = timedelta(hours=2)
_RENEW_AT = 2 / 3
_JITTER = 1 / 24
LONGEST_CLAIM = timedelta(hours=1)
_SKEW = timedelta(hours=1)


def is_due(record: Certificate, now: datetime, *, held: bool) -> bool:
    """Whether somebody should begin now: there is none that can be read, or a third of its life is left.

    A little earlier for some than for others, so that what was made together is not renewed together. Claims and pauses that a clock wrote
    that was ahead are void.
    """
    if record.claimed_until and now < parse(record.claimed_until) <= now + LONGEST_CLAIM:
        return False
    if record.retry_at and now < parse(record.retry_at) and not _is_from_ahead(record.failed_at, now):
        return False
    return not held or now >= renew_at(record)


def _is_from_ahead(at: str, now: datetime) -> bool:
    """Whether it was written before the clock was put back: what follows from it could be years away."""
    return bool(at) and parse(at) > now + _SKEW


def is_over(record: Certificate, now: datetime) -> bool:
    """Nothing of it is of use any more: no certificate that holds, no pause that is to be kept, nobody at work."""
    times = (record.expires_at if record.pem else "", record.retry_at, record.claimed_until)
    return all(parse(text) <= now for text in times if text)


def renew_at(record: Certificate) -> datetime:
    begin, end = parse(record.issued_at), parse(record.expires_at)
    return begin + (end - begin) * (_RENEW_AT - _JITTER * _share(record.host + record.serial))


def pause(attempts: int, first: timedelta, asked_for: timedelta | None, host: str) -> timedelta:
    """How long to wait after so many failures in a row. What the authority asked for is never shortened.

    Five tries in the first hour, which is what Let's Encrypt allows of failed validations, then ever fewer.
    """
    steps = min(attempts - 1, _MOST_STEPS)
    own = min(first * _GROWTH**steps, _LONGEST) * (1 + _share(f"{host}{attempts}") / 10)
    return max(own, asked_for or timedelta())


def _share(text: str) -> float:
    """A number from 0 to 1 that stays the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 0xFFFFFFFF
