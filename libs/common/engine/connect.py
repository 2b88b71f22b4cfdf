"""The connection to one Docker Engine: two docker-py clients and the threads that their calls run in."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

import docker
import msgspec
import structlog

from libs.common import clock
from libs.common.engine.errors import EngineAway, Refused, translate

P = ParamSpec("P")
T = TypeVar("T")

_THREADS, _TRANSFERS = 32, 64
"""Of short calls, and of those that move a volume at the pace of whoever reads or writes it: these may not take the others' place."""
_POOL = 64
_SECONDS = 60
_MEGABYTE = 1024 * 1024
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}
"""The engine names its machine as the kernel does, and its images as Go does."""
_OTHER_VERSION = "client version"
"""`client version 1.41 is too old. Minimum supported API version is 1.44, …`, or too new."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0

logger = structlog.get_logger()


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`id` stays over restarts of the engine; `cgroup_version` is `1` or `2`, `cgroup_driver` is `cgroupfs` or `systemd`.

    `architecture` is named as images name theirs: `amd64`, `arm64`. `root` is the engine's own folder; `time` its clock, RFC 3339.
    """

    id: str
    ncpu: int
    memory_mb: int
    cgroup_version: str
    cgroup_driver: str
    version: str
    architecture: str = ""
    root: str = ""
    storage_driver: str = ""
    time: str = ""

    def seconds_ahead(self, now: float) -> float:
        """How far the engine's clock is ahead of `now`, seconds since 1970."""
        return clock.parse(self.time).timestamp() - now if self.time else 0.0


class _Info(msgspec.Struct, rename="pascal"):
    cpus: int = msgspec.field(name="NCPU")
    mem_total: int
    cgroup_driver: str
    server_version: str
    cgroup_version: str = "1"
    id: str = msgspec.field(name="ID", default="")
    architecture: str = ""
    docker_root_dir: str = ""
    driver: str = ""
    system_time: str = ""


class Closable(Protocol):
    def close(self) -> None: ...


class Engine:
    """`api` is for short calls and gives up after 60 s; `long` waits for as long as the engine keeps the connection.

    `host` is where it listens: `unix:///…` or `tcp://…`.
    """

    def __init__(self, host: str, api: docker.APIClient, long: docker.APIClient, threads: ThreadPoolExecutor) -> None:
        self.host = host
        self.api = api
        self.long = long
        self._threads = threads
        self._transfers = ThreadPoolExecutor(max_workers=_TRANSFERS, thread_name_prefix="engine-transfer")
        self._streams: set[Closable] = set()

    @classmethod
    async def open(cls, docker_host: str) -> "Engine":
        """Connect to `unix:///…` or `tcp://…` once; `EngineAway` when nothing answers."""
        threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="engine")
        try:
            api = await _run(threads, _client, docker_host, "auto", _SECONDS)
            long = await _run(threads, _client, docker_host, api.api_version, None)
        except BaseException:
            threads.shutdown(wait=False)
            raise
        return cls(docker_host, api, long, threads)

    @classmethod
    async def wait(cls, docker_host: str) -> "Engine":
        """As `open`, however long the engine takes to come. Cancel the task to give up."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await cls.open(docker_host)
            except EngineAway as error:
                logger.info("engine.waiting", error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a docker-py call in a thread of the engine's own; raises what `errors` names.

        Cancelling the task stops the waiting alone: the engine finishes what it was asked. One that was upgraded, and takes our version
        of its API no longer, refused before it did anything, and is asked again in one of its own.
        """
        try:
            return await _run(self._threads, fn, *args, **kwargs)
        except Refused as error:
            if _OTHER_VERSION not in str(error):
                raise
            await _run(self._threads, self._agree)
        return await _run(self._threads, fn, *args, **kwargs)

    def _agree(self) -> None:
        """On a version, as at the beginning; blocks."""
        fresh = _client(self.host, "auto", _SECONDS)
        try:
            logger.warning("engine.version", before=self.api.api_version, now=fresh.api_version)
            for client in (self.api, self.long):
                client._version = fresh.api_version  # type: ignore[attr-defined]  # noqa: SLF001 - docker-py has no call for it
        finally:
            fresh.close()

    async def transfer(self, fn: Callable[[], T]) -> T:
        """As `call`, for what may take hours; one too many waits for its turn."""
        return await _run(self._transfers, fn)

    async def ping(self) -> None:
        """Return when the engine answers; `EngineAway` otherwise."""
        await self.call(self.api.ping)

    async def info(self) -> EngineInfo:
        seen = msgspec.convert(await self.call(self.api.info), _Info)
        return EngineInfo(
            id=seen.id,
            ncpu=seen.cpus,
            memory_mb=seen.mem_total // _MEGABYTE,
            cgroup_version=seen.cgroup_version,
            cgroup_driver=seen.cgroup_driver,
            version=seen.server_version,
            architecture=_ARCHITECTURES.get(seen.architecture, seen.architecture),
            root=seen.docker_root_dir,
            storage_driver=seen.driver,
            time=seen.system_time,
        )

    def keep(self, stream: Closable) -> None:
        """Note an open stream, so that `close` ends it."""
        self._streams.add(stream)

    def drop(self, stream: Closable) -> None:
        """End a stream from any thread; its reader comes to an end."""
        self._streams.discard(stream)
        # A stream that ended by itself has no socket left to shut.
        with contextlib.suppress(OSError, AttributeError):
            stream.close()

    def close(self) -> None:
        """End every stream and give the connections back. Calls under way end by themselves."""
        for stream in tuple(self._streams):
            self.drop(stream)
        for threads in (self._threads, self._transfers):
            threads.shutdown(wait=False, cancel_futures=True)
        self.api.close()
        self.long.close()


def _client(docker_host: str, version: str, seconds: int | None) -> docker.APIClient:
    # docker-py types its timeout as int; None reaches requests, where it means to wait for ever.
    return docker.APIClient(docker_host, version=version, timeout=seconds, max_pool_size=_POOL)  # type: ignore[arg-type]


async def _run(threads: ThreadPoolExecutor, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, partial(fn, *args, **kwargs))
    except Exception as error:
        meant = translate(error)
        if meant is error:
            raise
        raise meant from error


__all__ = ["Closable", "Engine", "EngineAway", "EngineInfo"]
