"""Redis, which holds only what may be lost. Every call has a short limit: without Redis the API goes on."""

from redis.asyncio import Redis

_LIMIT_SECONDS = 0.3


def open_cache(url: str) -> Redis | None:
    """A client that connects when it is used first; None when no `redis_url` is set."""
    if not url:
        return None
    return Redis.from_url(url, socket_timeout=_LIMIT_SECONDS, socket_connect_timeout=_LIMIT_SECONDS, decode_responses=True)
