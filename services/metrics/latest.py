"""The newest samples and traffic in Redis: what may be lost, for those who want it sooner than the next batch."""

import asyncio
from collections.abc import Mapping

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.messages.metrics import ReplicaSample, TrafficNow

_SECONDS = 1.0
_LIVES = 3
"""Intervals after which a hash that nobody renews is gone."""

logger = structlog.get_logger()


TRAFFIC_KEY = "dockup:traffic"
"""A hash: app → `TrafficNow` as JSON."""


def key(app_id: str) -> str:
    return f"dockup:samples:{app_id}"


class Latest:
    """`trouble` says why the last write did not reach Redis, or is empty."""

    def __init__(self, url: str, interval: float) -> None:
        # Its own time-out goes through asyncio.wait_for, which on Python 3.11 can swallow the word to stop.
        self._redis = Redis.from_url(url, socket_timeout=None) if url else None
        self._expire = int(interval * _LIVES * 1000)
        self._known: set[str] = set()
        self.trouble = ""

    async def write(self, samples: tuple[ReplicaSample, ...], traffic: Mapping[str, TrafficNow]) -> None:
        """Replace every app's hash (field: replica, value: the sample as JSON), and that of traffic. Redis away is noted and no more."""
        if self._redis is None:
            return
        try:
            async with asyncio.timeout(_SECONDS):
                await self._replace(self._redis, samples, traffic)
        except (RedisError, OSError) as error:
            if not self.trouble:
                logger.warning("redis.away", error=str(error))
            self.trouble = f"Redis is away: {error or type(error).__name__}"
        else:
            self.trouble = ""

    async def _replace(self, redis: Redis, samples: tuple[ReplicaSample, ...], traffic: Mapping[str, TrafficNow]) -> None:
        apps = {sample.app_id for sample in samples}
        async with redis.pipeline(transaction=True) as pipe:
            for app_id in self._known | apps:
                pipe.delete(key(app_id))
            for sample in samples:
                pipe.hset(key(sample.app_id), sample.replica, msgspec.json.encode(sample).decode())
                pipe.pexpire(key(sample.app_id), self._expire)
            pipe.delete(TRAFFIC_KEY)
            if traffic:
                pipe.hset(TRAFFIC_KEY, mapping={app_id: msgspec.json.encode(each).decode() for app_id, each in traffic.items()})
                pipe.pexpire(TRAFFIC_KEY, self._expire)
            await pipe.execute()
        self._known = apps

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
