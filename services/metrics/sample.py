"""From a listed container and what it used to one sample. Pure, but for the memory of the last reading."""

import re

import msgspec

from libs.common.engine.containers import ContainerListed
from libs.common.messages.api import WEB
from libs.common.messages.metrics import ReplicaSample
from libs.common.states import ReplicaState
from services.metrics.cgroups import Usage

MEGABYTE = 1024 * 1024
_APP, _RELEASE = re.compile(r"app_[0-9a-z]+"), re.compile(r"[0-9]{1,18}")
SHORTEST = 1.0
"""Seconds between two readings that make a rate. A look that comes sooner repeats the last figure."""

USES_NOTHING = frozenset({ReplicaState.CREATED, ReplicaState.EXITED, ReplicaState.DEAD, ReplicaState.RESTARTING})


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`at` by the monotonic clock; `rate` is the CPU use in percent of one core up to then, None at the first."""

    at: float
    cpu_seconds: float
    rate: float | None


def read(last: Reading | None, usage: Usage, now: float) -> Reading:
    """The reading that follows `last`. A counter that fell belongs to a container that was started again: it counts from nothing."""
    if last is None or usage.cpu_seconds < last.cpu_seconds:
        return Reading(at=now, cpu_seconds=usage.cpu_seconds, rate=None)
    if now - last.at < SHORTEST:
        return last
    rate = 100 * (usage.cpu_seconds - last.cpu_seconds) / (now - last.at)
    return Reading(at=now, cpu_seconds=usage.cpu_seconds, rate=rate)


class Sampler:
    """Makes the samples; keeps the last reading of each container that is still there."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}
        self._calls: dict[str, Reading] = {}

    def take(self, listed: list[ContainerListed], usages: dict[str, Usage], now: float) -> tuple[ReplicaSample, ...]:
        """One sample for each container that says whose it is."""
        self._readings = {seen.id: read(self._readings.get(seen.id), usages[seen.id], now) for seen in listed if seen.id in usages}
        self._calls = {container_id: self._calls[container_id] for container_id in self._calls.keys() & usages.keys()}
        return tuple(_sample(seen, usages.get(seen.id), self._readings.get(seen.id)) for seen in listed if is_replica(seen))

    def now(self, listed: list[ContainerListed], usages: dict[str, Usage], now: float) -> tuple[ReplicaSample, ...]:
        """As `take`, of some containers between two syncs, whose own rates stay as they are.

        A rate here is that since the last sync or the last such call, whichever is later.
        """
        for seen in listed:
            if usage := usages.get(seen.id):
                before = self._readings.get(seen.id)
                last = self._calls.get(seen.id)
                newer = max((each for each in (before, last) if each is not None), key=lambda each: each.at, default=None)
                self._calls[seen.id] = read(newer, usage, now)
        return tuple(_sample(seen, usages.get(seen.id), self._calls.get(seen.id)) for seen in listed if is_replica(seen))


def _sample(seen: ContainerListed, usage: Usage | None, reading: Reading | None) -> ReplicaSample:
    rate = reading.rate if reading and usage else None
    return ReplicaSample(
        app_id=seen.labels["dockup.app"],
        release=int(seen.labels["dockup.release"]),
        replica=seen.name,
        container_id=seen.id,
        process=seen.labels.get("dockup.process", WEB),
        state=seen.state,
        cpu_usage=None if rate is None else round(rate, 2),
        memory_usage=None if usage is None else round(usage.memory_bytes / MEGABYTE, 2),
        memory_limit=None if usage is None or usage.memory_limit is None else round(usage.memory_limit / MEGABYTE, 2),
        network_rx_bytes=usage.network_rx_bytes if usage else None,
        network_tx_bytes=usage.network_tx_bytes if usage else None,
        block_read_bytes=usage.block_read_bytes if usage else None,
        block_write_bytes=usage.block_write_bytes if usage else None,
        pids=usage.pids if usage else None,
    )


def is_replica(seen: ContainerListed) -> bool:
    """Whether its labels are as ours are: people may write others, and no reader knows such an app."""
    app_id, release = seen.labels.get("dockup.app", ""), seen.labels.get("dockup.release", "")
    return bool(_APP.fullmatch(app_id) and _RELEASE.fullmatch(release))
