"""What a container uses, as the engine itself counts it: one to two seconds a container, so only where nothing else can be read."""

import msgspec

from libs.common.engine.connect import Engine

_NANOSECONDS = 1e9


class StatsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu_seconds` since the container started; `memory_bytes` as `docker stats` shows it. Both 0 while it does not run."""

    cpu_seconds: float
    memory_bytes: int


class _CpuUsage(msgspec.Struct, frozen=True):
    total_usage: int = 0


class _Cpu(msgspec.Struct, frozen=True):
    cpu_usage: _CpuUsage = _CpuUsage()


class _Memory(msgspec.Struct, frozen=True):
    usage: int = 0
    stats: dict[str, int] = {}


class _Stats(msgspec.Struct, frozen=True):
    cpu_stats: _Cpu = _Cpu()
    memory_stats: _Memory = _Memory()


async def once(engine: Engine, container_id: str) -> StatsSeen:
    """Ask once; `NotFound` when the container is gone."""
    raw = msgspec.convert(await engine.call(engine.api.stats, container_id, stream=False, one_shot=True), _Stats)
    memory = raw.memory_stats
    # The name under cgroup version 1, then under 2.
    inactive = memory.stats.get("total_inactive_file", memory.stats.get("inactive_file", 0))
    return StatsSeen(
        cpu_seconds=raw.cpu_stats.cpu_usage.total_usage / _NANOSECONDS,
        memory_bytes=memory.usage - inactive if inactive < memory.usage else memory.usage,
    )
