"""Slows down who guesses passwords, or which emails have an account.

The counters are in Redis; without Redis each process of the API counts for itself.
"""

import hashlib
from time import monotonic

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.api.http.problems import Problem

TRIES, WINDOW_SECONDS = 10, 60
_TRIES_OF_ADDRESS = 60
LOOKUPS = 20
"""How many emails somebody may look up in the same time."""
_MOST_COUNTERS = 10_000

logger = structlog.get_logger()


class Throttle:
    """Counts tries of an email from an address, and of the address alone."""

    def __init__(self, redis: Redis | None, instance: str) -> None:
        self._redis = redis
        self._prefix = f"dockup:{instance}:login"
        self._own: dict[str, tuple[int, float]] = {}

    async def count(self, email: str, address: str) -> None:
        """Note one try; `429 rate_limited` when it is one too many."""
        who = hashlib.sha256(f"{email.lower()}\0{address}".encode()).hexdigest()[:32]
        for key, allowed in ((who, TRIES), (f"from:{address}", _TRIES_OF_ADDRESS)):
            tries, left = await self._increment(f"{self._prefix}:{key}")
            if tries > allowed:
                raise _limited("login", "logins were tried", allowed, left)

    async def count_lookup(self, user_id: str) -> None:
        """Note that a user asks about an email, found or not; `429 rate_limited` when it is one too many."""
        tries, left = await self._increment(f"{self._prefix}:of:{user_id}")
        if tries > LOOKUPS:
            raise _limited("lookup", "emails were looked up", LOOKUPS, left)

    async def forgive(self, email: str, address: str) -> None:
        """A right password ends the count of its email."""
        who = hashlib.sha256(f"{email.lower()}\0{address}".encode()).hexdigest()[:32]
        self._own.pop(f"{self._prefix}:{who}", None)
        if self._redis is not None:
            try:
                await self._redis.delete(f"{self._prefix}:{who}")
            except (RedisError, OSError, TimeoutError) as error:
                logger.info("cache.away", error=str(error) or type(error).__name__)

    async def _increment(self, key: str) -> tuple[int, int]:
        """How many tries there are now, and the seconds until they are forgotten."""
        if self._redis is None:
            return self._count_here(key)
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(key, 0, ex=WINDOW_SECONDS, nx=True)
                pipe.incr(key)
                pipe.ttl(key)
                _, tries, left = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            logger.info("cache.away", error=str(error) or type(error).__name__)
            return self._count_here(key)
        return int(tries), max(int(left), 1)

    def _count_here(self, key: str) -> tuple[int, int]:
        now = monotonic()
        if len(self._own) >= _MOST_COUNTERS:
            self._own = {name: kept for name, kept in self._own.items() if kept[1] > now}
            if len(self._own) >= _MOST_COUNTERS:
                self._own.pop(next(iter(self._own)))
        tries, end = self._own.get(key, (0, 0.0))
        tries, end = (tries + 1, end) if end > now else (1, now + WINDOW_SECONDS)
        self._own[key] = (tries, end)
        return tries, max(round(end - now), 1)


def _limited(policy: str, what: str, allowed: int, left: int) -> Problem:
    headers = {
        "Retry-After": str(left),
        "RateLimit": f'"{policy}";r=0;t={left}',
        "RateLimit-Policy": f'"{policy}";q={allowed};w={WINDOW_SECONDS}',
    }
    return Problem("rate_limited", f"More than {allowed} {what} in {WINDOW_SECONDS} seconds.", headers=headers)
