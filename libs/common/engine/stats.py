"""What a container uses, as the engine itself counts it: one to two seconds a container, so only where nothing else can be read."""

import msgspec

from libs.common.engine.connect import Engine

_NANOSECONDS = 1e9


class StatsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu_seconds` since the container started; `memory_bytes` as `docker stats` shows it. Both 0 while it does not run.

    The counters are since the start too, summed over interfaces and devices.
    """

    cpu_seconds: float
    memory_bytes: int
    memory_limit: int = 0
    network_rx_bytes: int = 0
    network_tx_bytes: int = 0
    block_read_bytes: int = 0
    block_write_bytes: int = 0
    pids: int = 0


class _CpuUsage(msgspec.Struct, frozen=True):
    total_usage: int = 0


class _Cpu(msgspec.Struct, frozen=True):
    cpu_usage: _CpuUsage = _CpuUsage()


class _Memory(msgspec.Struct, frozen=True):
    usage: int = 0
    limit: int = 0
    stats: dict[str, int] = {}


class _Interface(msgspec.Struct, frozen=True):
    rx_bytes: int = 0
    tx_bytes: int = 0


class _Io(msgspec.Struct, frozen=True):
    op: str = ""
    value: int = 0


class _Block(msgspec.Struct, frozen=True):
    entries: list[_Io] | None = msgspec.field(name="io_service_bytes_recursive", default=None)

    def bytes(self, operation: str) -> int:
        """Version 1 writes `Read`, version 2 `read`."""
        return sum(each.value for each in self.entries or () if each.op.lower() == operation)


class _Pids(msgspec.Struct, frozen=True):
    current: int = 0


class _Stats(msgspec.Struct, frozen=True):
    cpu_stats: _Cpu = _Cpu()
    memory_stats: _Memory = _Memory()
    networks: dict[str, _Interface] = {}
    blkio_stats: _Block = _Block()
    pids_stats: _Pids = _Pids()


async def once(engine: Engine, container_id: str) -> StatsSeen:
    """Ask once; `NotFound` when the container is gone."""
    raw = msgspec.convert(await engine.call(engine.api.stats, container_id, stream=False, one_shot=True), _Stats)
    memory = raw.memory_stats
    # The name under cgroup version 1, then under 2.
    inactive = memory.stats.get("total_inactive_file", memory.stats.get("inactive_file", 0))
    return StatsSeen(
        cpu_seconds=raw.cpu_stats.cpu_usage.total_usage / _NANOSECONDS,
        memory_bytes=memory.usage - inactive if inactive < memory.usage else memory.usage,
        memory_limit=memory.limit,
        network_rx_bytes=sum(each.rx_bytes for each in raw.networks.values()),
        network_tx_bytes=sum(each.tx_bytes for each in raw.networks.values()),
        block_read_bytes=raw.blkio_stats.bytes("read"),
        block_write_bytes=raw.blkio_stats.bytes("write"),
        pids=raw.pids_stats.current,
    )
